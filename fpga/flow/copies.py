"""Copies of registers that many read: one for those of each neighbourhood.

A bit that steers all lanes is 9 ns from the furthest of them on an 85F, more than half of a period, and nextpnr copies
nothing. Copies hold the same, and come with the clock at which the register would: only what leads into them has
further to go, so registers are left alone that have more than a little logic in front.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

REGISTER, CHAIN = "TRELLIS_FF", "CCU2C"
LOGIC = {"LUT4": 1, CHAIN: 2}
"""Levels of logic in a cell."""
DEEPEST = 2
"""Levels in front of a register that is copied."""
READERS = 16
"""Of a register that is copied, at least."""
NEIGHBOURS = 4
"""Readers of a copy, at least."""
SPAN = 16.0
"""Tiles from one end of a neighbourhood to the other, columns and rows added up, where there are readers enough."""

T = TypeVar("T")
Place = tuple[float, float]
Pin = tuple[str, str, int]
"""A reader: a cell, its port, and which bit of that."""


def copy_registers(module: dict[str, Any], at: Mapping[str, Place]) -> int:
    """Copy registers whose readers are far apart; returns how many copies there are.

    Parameters
    ----------
    module:
        A flat netlist of Yosys; it is changed in place.
    at:
        Where cells will be, about, by name.
    """
    cells = module["cells"]
    readers, drivers = _readers(cells), _drivers(cells)
    outside = {bit for port in module["ports"].values() for bit in port["bits"]}
    fresh = 1 + max((bit for bit in {*readers, *drivers, *outside} if isinstance(bit, int)), default=0)
    registers = [name for name, cell in cells.items() if cell["type"] == REGISTER]
    count = 0
    for name in registers:
        net = cells[name]["connections"]["Q"][0]
        pins = readers.get(net, [])
        if len(pins) < READERS or net in outside or _is_deep(cells, drivers, name, DEEPEST):
            continue
        _, *others = neighbourhoods(pins, [at[cell] for cell, _, _ in pins])
        for number, group in enumerate(others, start=1):
            twin = copy.deepcopy(cells[name])
            twin["connections"]["Q"] = [fresh]
            cells[f"{name}_copy_{number}"] = twin
            module["netnames"][f"{name}_copy_{number}"] = {"hide_name": 0, "bits": [fresh], "attributes": {}}
            for cell, port, place in group:
                cells[cell]["connections"][port][place] = fresh
            fresh += 1
            count += 1
    return count


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


def _readers(cells: Mapping[str, Mapping[str, Any]]) -> dict[int, list[Pin]]:
    readers: dict[int, list[Pin]] = {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                for place, bit in enumerate(bits):
                    if isinstance(bit, int):
                        readers.setdefault(bit, []).append((name, port, place))
    return readers


def _drivers(cells: Mapping[str, Mapping[str, Any]]) -> dict[int | str, str]:
    return {
        bit: name
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }


def _is_deep(cells: Mapping[str, Mapping[str, Any]], drivers: Mapping[int | str, str], name: str, levels: int) -> bool:
    """Whether more than so many levels of logic lead into a cell."""
    cell = cells[name]
    inputs = [port for port in cell["connections"] if cell["port_directions"][port] != "output"]
    sources = {drivers[bit] for port in inputs for bit in cell["connections"][port] if bit in drivers}
    within = {source: levels - LOGIC[cells[source]["type"]] for source in sources if cells[source]["type"] in LOGIC}
    return any(left < 0 or _is_deep(cells, drivers, source, left) for source, left in within.items())
