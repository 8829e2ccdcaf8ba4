"""Copies of what many read: one for those of each neighbourhood.

A bit that steers all lanes is 9 ns from the furthest of them on an 85F, more than half of a period, and nextpnr copies
nothing. A register's copies hold the same, and come with the same clock; so do a table's, of what it reads. Only what
leads into them has further to go: what has more than a little logic in front is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Cells = Mapping[str, Mapping[str, Any]]
T = TypeVar("T")
Place = tuple[float, float]
Pin = tuple[str, str, int]
"""A reader: a cell, its port, and which bit of that."""

TABLE, REGISTER = "LUT4", "TRELLIS_FF"
OUTPUTS = {TABLE: "Z", REGISTER: "Q"}
"""The port of each type that is copied."""
LEVELS = {TABLE: 1, "PFUMX": 1, "L6MUX21": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 2}
"""How long a cell takes, in tables."""
MEMORY, UNREGISTERED, SLOW = "DP16KD", "NOREG", 8
"""The same of a block memory that has no registers at its outputs: 5.8 ns."""
DEEPEST = 2
"""Levels at most, of what is copied and in front of it."""
READERS = 16
"""Of what is copied, at least."""
EVERYWHERE, DEEPER = 128, 4
"""With so many readers there may be more levels: all of a period would else go by on the way to them."""
NEIGHBOURS = 4
"""Readers of a copy, at least."""
SPAN = 16.0
"""Tiles from one end of a neighbourhood to the other, columns and rows added up, where there are readers enough."""


def copy_what_is_far(module: dict[str, Any], at: Mapping[str, Place]) -> int:
    """Copy tables and registers whose readers are far apart; returns how many copies there are.

    Parameters
    ----------
    module:
        A flat netlist of Yosys; it is changed in place.
    at:
        Where cells will be, about, by name.
    """
    cells = module["cells"]
    where = dict(at)
    readers = _readers(cells)
    outside = {bit for port in module["ports"].values() for bit in port["bits"]}
    connected = {bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits}
    fresh = 1 + max((bit for bit in connected | outside if isinstance(bit, int)), default=0)
    before = len(cells)
    for depth, name in _in_order(cells, [name for name in cells if cells[name]["type"] in OUTPUTS]):
        kind = cells[name]["type"]
        (net,) = cells[name]["connections"][OUTPUTS[kind]]
        pins = readers.get(net, [])
        if len(pins) < (READERS if depth <= DEEPEST else EVERYWHERE) or net in outside:
            continue
        _, *others = neighbourhoods(pins, [where[cell] for cell, _, _ in pins])
        for number, group in enumerate(others, start=1):
            twin, other = f"{name}_copy_{number}", copy.deepcopy(cells[name])
            other["connections"][OUTPUTS[kind]] = [fresh]
            cells[twin] = other
            module["netnames"][twin] = {"hide_name": 0, "bits": [fresh], "attributes": {}}
            where[twin] = where[group[0][0]]
            for cell, port, place in group:
                cells[cell]["connections"][port][place] = fresh
            if kind == TABLE:  # a register has all of a period to reach its copies
                for bit, pins_of_it in _readers({twin: other}).items():
                    readers[bit] += pins_of_it
            fresh += 1
    return len(cells) - before


def neighbourhoods(things: Sequence[T], at: Sequence[Place]) -> list[list[T]]:
    """Things in groups that span `SPAN` at most, unless they would be fewer than `NEIGHBOURS`."""
    where = list(zip(*at, strict=True))
    spans = [max(one) - min(one) for one in where]
    axis = spans.index(max(spans))
    order = sorted(range(len(things)), key=lambda k: at[k][axis])
    if sum(spans) <= SPAN or len(things) < 2 * NEIGHBOURS:
        return [list(things)]
    cuts = range(NEIGHBOURS, len(things) - NEIGHBOURS + 1)
    cut = max(cuts, key=lambda k: at[order[k]][axis] - at[order[k - 1]][axis])
    sides = order[:cut], order[cut:]
    return [group for side in sides for group in neighbourhoods([things[k] for k in side], [at[k] for k in side])]


def _in_order(cells: Cells, names: Sequence[str]) -> list[tuple[int, str]]:
    """Those that may be copied, and how deep they are; readers before what they read, tables before registers."""
    drivers = {
        bit: name
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    depths = [(_levels(cells[name]) + _in_front(cells, drivers, name, DEEPER), name) for name in names]
    fit = [(depth, name) for depth, name in depths if depth <= DEEPER]
    return sorted(fit, key=lambda one: (cells[one[1]]["type"] != TABLE, -one[0]))


def _readers(cells: Cells) -> dict[int, list[Pin]]:
    readers: dict[int, list[Pin]] = {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                for place, bit in enumerate(bits):
                    if isinstance(bit, int):
                        readers.setdefault(bit, []).append((name, port, place))
    return readers


def _in_front(cells: Cells, drivers: Mapping[int | str, str], name: str, most: int) -> int:
    """Levels between registers and a cell, or some number above `most`."""
    inputs = [
        bits for port, bits in cells[name]["connections"].items() if cells[name]["port_directions"][port] != "output"
    ]
    found = 0
    for source in {drivers[bit] for bits in inputs for bit in bits if bit in drivers}:
        levels = _levels(cells[source])
        if levels > most:
            return levels
        if levels:
            found = max(found, levels + _in_front(cells, drivers, source, most - levels))
    return found


def _levels(cell: Mapping[str, Any]) -> int:
    if cell["type"] == MEMORY:
        return SLOW if cell["parameters"].get("REGMODE_B", UNREGISTERED) == UNREGISTERED else 0
    return LEVELS.get(cell["type"], 0)
