"""The short examples run as their first lines say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    def run(name: str, *arguments: str) -> str:
        monkeypatch.setenv("KERAS_BACKEND", "numpy")
        monkeypatch.setattr("sys.argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_the_transformer_multiplies_on_the_accelerator_and_is_near_float(run):
    said = run("transformer")
    share, difference = (float(re.search(pattern, said)[1]) for pattern in (r"^([\d.]+)%", r"to float: ([\d.]+)$"))
    assert share > 95
    assert difference < 0.1


@pytest.mark.parametrize(("device", "tolerance"), [("fsim", 0.1), ("cpu", 0.002)])
def test_the_keras_model_gives_what_keras_gives(run, device, tolerance):
    found, expected = (
        [float(number) for number in re.search(rf"{who}: *\[(.*?)\]", said, re.DOTALL)[1].split()]
        for said in [run("keras_model", "--device", device)]
        for who in (device, "Keras")
    )
    assert len(found) == 10
    assert found == pytest.approx(expected, abs=tolerance)
