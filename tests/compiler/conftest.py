"""Golden texts: ``pytest tests/compiler --update-golden`` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden texts instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[object, str], None]:
    """``golden(program, "name")``: the text of `program` is that of ``golden/name.txt``."""

    def compare(program: object, name: str) -> None:
        path = FOLDER / f"{name}.txt"
        text = f"{program}\n"
        if request.config.getoption("update_golden", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"no golden text {path.name}; pytest tests/compiler --update-golden writes it"
        assert text == path.read_text()

    return compare


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
