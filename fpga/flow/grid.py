"""The tiles of a device, as nextpnr's package describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import ToolMissing
from .tools import Tool

PLACE = re.compile(r"R(\d+)C(\d+):")
GRID = Path("share") / "trellis" / "database" / "ECP5"
LOGIC = "PLC2"
"""Type of the tiles that hold look-up tables."""
MULTIPLIERS = {"MIB_DSP0": "MULT18_0", "MIB_DSP1": "MULT18_1", "MIB_DSP4": "MULT18_4", "MIB_DSP5": "MULT18_5"}
"""Types of tiles with a multiplier, and nextpnr's names for it."""
MEMORIES = {"MIB_EBR2": "EBR1", "MIB_EBR4": "EBR2", "MIB_EBR6": "EBR3"}
"""The same of block memories, three of four: the first is in tiles of several types, `FIRST` from the second."""
FIRST = (-2, "EBR0")


@dataclass(frozen=True)
class Site:
    """A place for a cell; `bel` is nextpnr's name for it."""

    x: int
    y: int
    bel: str


def logic_tiles(device: str) -> Iterator[tuple[int, int]]:
    """Columns and rows of a device's logic."""
    return ((x, y) for kind, x, y in _tiles(device) if kind == LOGIC)


def sites(device: str) -> dict[str, list[Site]]:
    """By the type of cells that do not fit anywhere else, the places for them."""
    found: dict[str, list[Site]] = {"MULT18X18D": [], "DP16KD": []}
    for kind, x, y in _tiles(device):
        if kind in MULTIPLIERS:
            found["MULT18X18D"].append(_site(x, y, MULTIPLIERS[kind]))
        if kind in MEMORIES:
            found["DP16KD"].append(_site(x, y, MEMORIES[kind]))
            if MEMORIES[kind] == "EBR1":
                found["DP16KD"].append(_site(x + FIRST[0], y, FIRST[1]))
    return found


def pins(device: str, package: str) -> dict[str, tuple[int, int]]:
    """Column and row of each pin of a package, by its name."""
    found = json.loads(_file(device, "iodb.json").read_text())["packages"][package]
    return {pin: (place["col"], place["row"]) for pin, place in found.items()}


def _site(x: int, y: int, name: str) -> Site:
    return Site(x, y, f"X{x}/Y{y}/{name}")


def _tiles(device: str) -> Iterator[tuple[str, int, int]]:
    """Type, column and row of each."""
    for name, tile in json.loads(_file(device, "tilegrid.json").read_text()).items():
        if found := PLACE.search(name):
            yield tile["type"], int(found[2]), int(found[1])


def _file(device: str, name: str) -> Path:
    package = find_spec(Tool.NEXTPNR.module)
    path = package and package.origin and Path(package.origin).parent / GRID / device / name
    if not path or not path.is_file():
        raise ToolMissing(f"{Tool.NEXTPNR.package} does not describe {device}; install the version in pyproject.toml")
    return path
