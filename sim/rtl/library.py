"""Verilator's run-time library, compiled once: it takes longer than a small model, and all can share it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dovetail.isa.cache import cache_dir

from .toolchain import versions

OBJECTS = "verilated*.o"


def is_compilation(line: str) -> bool:
    """Whether a line of make's plan compiles something."""
    return line.startswith("g++") and " -c " in line


def restore(plan: Sequence[str], work: Path) -> bool:
    """Put the library's objects into `work`, where they are in the cache.

    Parameters
    ----------
    plan:
        What make would do, line by line; the objects are known by the commands that make them.
    """
    kept = _place(plan)
    if not kept.is_dir():
        return False
    for path in kept.iterdir():
        shutil.copyfile(path, work / path.name)
    return True


def keep(plan: Sequence[str], work: Path) -> None:
    """Put the objects that make left in `work` into the cache. They appear there together."""
    kept = _place(plan)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        result = Path(scratch) / "result"
        result.mkdir()
        for path in work.glob(OBJECTS):
            shutil.copyfile(path, result / path.name)
        if not kept.exists():
            try:
                result.rename(kept)
            except OSError:  # another build was faster, with the same objects
                if not kept.is_dir():
                    raise


def _place(plan: Sequence[str]) -> Path:
    commands = sorted(line for line in plan if is_compilation(line) and "verilated" in line)
    digest = hashlib.sha256("\n".join([versions(), *commands]).encode()).hexdigest()
    return cache_dir() / "verilated" / digest[:24]
