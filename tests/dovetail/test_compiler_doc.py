"""What docs/compiler.md shows is what its examples print.

``DOVETAIL_UPDATE_DOCS=1 pytest tests/dovetail/test_compiler_doc.py`` writes the texts anew, but for those that show
parts and have a line ``...`` between them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dovetail as t
from dovetail.building import compile_for_accelerator
from dovetail.compiler.lower import lower
from dovetail.compiler.pipeline import accelerator_stages, run_stages
from dovetail.cpu_job import CPU
from dovetail.isa.config import Config
from dovetail.isa.disassembler import disassemble
from dovetail.runtime import DEVICES
from dovetail.stages import stage_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compiler.md"
CODE = re.compile(r"<!-- run -->\n```python\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"(<!-- prints ([\w-]+) -->\n```\n)(.*?)(?=```)", re.DOTALL)
ELLIPSIS = "...\n"


def instructions(schedule: t.Schedule, args: list[t.Tensor]) -> str:
    program = compile_for_accelerator(lower(schedule, args), Config()).program
    lines = disassemble(program).splitlines()
    return "\n".join(line.partition("  ;")[0] for line in lines if not line.startswith("."))


def execute(file: Path, source: str, names: dict[str, Any]) -> None:
    """Runs an example as a reader does, from a file: tensors without a name take that of their variable there."""
    file.write_text(source)
    exec(compile(source, str(file), "exec"), names)


def stages_of_devices() -> str:
    """A line for the devices that have the same stages."""
    devices: dict[tuple[str, ...], list[str]] = {}
    for device in (*DEVICES, CPU):
        devices.setdefault(stage_names(device), []).append(device)
    return "\n".join(f"{', '.join(same)}: {', '.join(names)}" for names, same in devices.items())


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page's examples print, by the names in its marks."""
    example, own = CODE.findall(PAGE.read_text())
    folder = tmp_path_factory.mktemp("examples")
    names: dict[str, Any] = {}
    execute(folder / "example.py", example, names)
    schedule, args = names["s"], names["args"]
    check_example(schedule, args)
    stages = dict(run_stages(lower(schedule, args), accelerator_stages()))
    found: dict[str, object] = {"schedule": schedule, "asm": instructions(schedule, args)}
    found |= {name: stages[name] for name in ("tokens", "threads")}
    found["stages"] = stages_of_devices()
    found["copies"] = t.lower(schedule, args)
    execute(folder / "own.py", own, names)
    own_args = [names["X"], names["top"]]
    found |= {"own": t.lower(names["s"], own_args), "own-asm": instructions(names["s"], own_args)}
    return {name: f"{text}".rstrip() + "\n" for name, text in found.items()}


def check_example(schedule: t.Schedule, args: list[t.Tensor]) -> None:
    rng = np.random.default_rng(0)
    a, w = (rng.integers(-128, 128, shape, np.int8) for shape in ((4, 64), (32, 64)))
    d = np.empty((4, 32), np.int8)
    t.build(schedule, args, "fsim")(a, w, d)
    np.testing.assert_array_equal(d, np.clip(np.rint(a.astype(int) @ w.astype(int).T / 256), 0, 127))


def test_printed_texts_are_those_of_the_examples(texts: dict[str, str]) -> None:
    if os.environ.get("DOVETAIL_UPDATE_DOCS"):
        PAGE.write_text(SHOWN.sub(lambda m: m[1] + (m[3] if ELLIPSIS in m[3] else texts[m[2]]), PAGE.read_text()))
    shown = {name: text for _, name, text in SHOWN.findall(PAGE.read_text())}
    assert shown.keys() == texts.keys()
    for name, text in shown.items():
        pattern = ".*".join(re.escape(part) for part in text.split(ELLIPSIS))
        assert re.fullmatch(pattern, texts[name], re.DOTALL), name


def test_files_that_are_named_exist() -> None:
    root = PAGE.parents[1]
    page = PAGE.read_text()
    rows = re.findall(r"^\| `([\w/]+/)` \|(.*)\|$", page, re.MULTILINE)
    assert rows
    for folder, row in rows:
        files = re.findall(r"`([\w/]+\.py)`", row)
        assert [name for name in files if not (root / name).exists() and not (root / folder / name).exists()] == []
