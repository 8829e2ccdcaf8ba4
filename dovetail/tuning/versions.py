"""What decides the costs that trials measure, for their records."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from dovetail import __version__, hw, sim

DIGITS = 16


@cache
def versions(target: str) -> dict[str, str]:
    """By name, of what measures a task of this target in this process: what others measured may be otherwise.

    A processor's costs are decided by this release and LLVM; an accelerator's by the release, and by the sources of the
    machine and of the timing simulator, which one changes without a release.
    """
    if target == "cpu":
        return {"dovetail": __version__, "llvmlite": metadata.version("llvmlite")}
    return {"dovetail": __version__, "machine": _sources()}


def _sources() -> str:
    digest = hashlib.sha256()
    for folder in (Path(hw.__file__).parent, Path(sim.__file__).parent / "timing"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:DIGITS]
