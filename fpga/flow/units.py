"""What each unit of the design takes of the device, by the names of the cells in its netlist.

The netlist is flat, since logic is then optimised across modules: with its hierarchy kept, `tiny` on a ULX3S took 34%
more look-up tables and 70% more time to synthesise. Each cell is still named for a signal that it drives or feeds, with
the path of the module that the signal is in, so that logic between two modules counts for one of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from pathlib import Path

SYSTEM = "soc"
"""The module in the top module that holds all but pads, clock and reset."""
BOARD = "board"
"""What those are counted as."""
DEPTH = 3
"""Levels of modules in `SYSTEM` that are told apart."""
NUMBER = re.compile(r"\$\d+$")
"""What Amaranth adds to the name of a module where a signal has it already."""
SCOPE = "$scopeinfo"
"""Type of the cells that a flat netlist names its modules with."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """Parts of a device: look-up tables, flip-flops, multipliers and block memories, as `boards.Capacity` has them."""

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(**{part: getattr(self, part) + getattr(other, part) for part in PARTS})


PARTS = tuple(field.name for field in fields(Use))
NAMES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM"}
"""For people."""
CELLS = {
    "LUT4": Use(lut=1),
    "CCU2C": Use(lut=2),
    "TRELLIS_DPR16X4": Use(lut=6),
    "TRELLIS_FF": Use(ff=1),
    "MULT18X18D": Use(dsp=1),
    "DP16KD": Use(bram=1),
}
"""What cells take, as nextpnr counts: distributed memory has four look-up tables, and two for its write port."""


@dataclass(frozen=True)
class Netlist:
    """A synthesised design.

    Attributes
    ----------
    cells:
        Types, by name.
    modules:
        Paths of the modules that it was, from the top module on.
    """

    cells: Mapping[str, str]
    modules: frozenset[str]

    def module_of(self, name: str) -> str:
        """The innermost module that a cell or net is of; empty for the top module."""
        parts = name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            path = ".".join(parts[:end])
            if path in self.modules:
                return path
        return ""


def read_netlist(path: Path, top: str) -> Netlist:
    """The netlist that Yosys wrote as JSON."""
    found = json.loads(path.read_bytes())["modules"][top]["cells"]
    types = {name: cell["type"] for name, cell in found.items()}
    return Netlist(
        cells={name: kind for name, kind in types.items() if kind != SCOPE},
        modules=frozenset(name for name, kind in types.items() if kind == SCOPE),
    )


def count_units(netlist: Netlist) -> dict[str, Use]:
    """What each unit takes, those in it included, by its path in `SYSTEM`: ``accelerator.compute.array``.

    What is outside of `SYSTEM`, or of none of its modules, is `BOARD`; units that take nothing are left out.
    """
    units: dict[str, Use] = {}
    for name, kind in netlist.cells.items():
        use = CELLS.get(kind)
        if use is not None:
            for unit in _units_around(netlist.module_of(name)):
                units[unit] = units.get(unit, Use()) + use
    return dict(sorted(units.items(), key=lambda item: (item[0] == BOARD, item[0])))


def total(uses: Mapping[str, Use]) -> Use:
    """The whole of a design, whose units are `uses`."""
    return reduce(add, (use for unit, use in uses.items() if "." not in unit), Use())


def largest(uses: Mapping[str, Use], part: str, count: int) -> list[tuple[str, int]]:
    """The units of two levels at most, and without others in them, that take most of a part, and how much."""
    outer = [unit for unit in uses if unit.count(".") < 2]
    apart = [unit for unit in outer if not any(other.startswith(f"{unit}.") for other in outer)]
    found = sorted(((unit, getattr(uses[unit], part)) for unit in apart), key=lambda item: -item[1])
    return [item for item in found if item[1]][:count]


def _units_around(module: str) -> Sequence[str]:
    parts = [NUMBER.sub("", part) for part in module.split(".")]
    if parts[0] != SYSTEM or len(parts) == 1:
        return [BOARD]
    inside = parts[1 : 1 + DEPTH]
    return [".".join(inside[: end + 1]) for end in range(len(inside))]
