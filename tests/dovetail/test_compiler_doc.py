"""What docs/compiler.md shows is what its examples print; see `pages`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dovetail as t
from dovetail.building import compile_for_accelerator
from dovetail.compiler.lower import lower
from dovetail.compiler.pipeline import accelerator_stages, run_stages
from dovetail.isa.config import Config
from dovetail.isa.disassembler import disassemble
from dovetail.result import CPU
from dovetail.runtime import DEVICES
from dovetail.stages import stage_names

from .pages import Page, execute

PAGE = Page("compiler.md")


def instructions(schedule: t.Schedule, args: list[t.Tensor]) -> str:
    program = compile_for_accelerator(lower(schedule, args), Config()).program
    lines = disassemble(program).splitlines()
    return "\n".join(line.partition("  ;")[0] for line in lines if not line.startswith("."))


def stages_of_devices() -> str:
    """A line for the devices that have the same stages."""
    devices: dict[tuple[str, ...], list[str]] = {}
    for device in (*DEVICES, CPU):
        devices.setdefault(stage_names(device), []).append(device)
    return "\n".join(f"{', '.join(same)}: {', '.join(names)}" for names, same in devices.items())


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page's examples print, by the names in its marks."""
    example, own = PAGE.examples
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
    return {name: str(text) for name, text in found.items()}


def check_example(schedule: t.Schedule, args: list[t.Tensor]) -> None:
    rng = np.random.default_rng(0)
    a, w = (rng.integers(-128, 128, shape, np.int8) for shape in ((4, 64), (32, 64)))
    d = np.empty((4, 32), np.int8)
    t.build(schedule, args, "fsim")(a, w, d)
    np.testing.assert_array_equal(d, np.clip(np.rint(a.astype(int) @ w.astype(int).T / 256), 0, 127))


def test_printed_texts_are_those_of_the_examples(texts: dict[str, str]) -> None:
    PAGE.check(texts)


def test_files_that_are_named_exist() -> None:
    assert PAGE.missing_files() == []
