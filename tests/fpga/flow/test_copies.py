"""Registers that are read afar get copies, and the design does what it did."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dovetail.fpga.flow.copies import NEIGHBOURS, READERS, SPAN, copy_registers, neighbourhoods

PLACES = st.tuples(st.floats(0, 126), st.floats(0, 95))
FAR = 90.0


def cell(kind: str, inputs: dict[str, list[int]], outputs: dict[str, list[int]]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "port_directions": directions, "connections": inputs | outputs}


def register(source: int, target: int) -> dict[str, Any]:
    return cell("TRELLIS_FF", {"CLK": [0], "DI": [source]}, {"Q": [target]})


def broadcast(levels: int = 1, *, is_port: bool = False) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """A register behind some tables that is read in two corners of a device, and where all that is."""
    cells = {"source": register(1, 10)}
    for level in range(levels):
        cells[f"table_{level}"] = cell("LUT4", {"A": [10 + level]}, {"Z": [11 + level]})
    cells["wide"] = register(10 + levels, 99)
    for number in range(READERS):
        cells[f"reader_{number}"] = cell("LUT4", {"A": [99], "B": [100 + number]}, {"Z": [200 + number]})
    ports = {"clk": {"bits": [0]}, "d": {"bits": [1]}, "q": {"bits": [99 if is_port else 200]}}
    at = {name: (0.0, 0.0) for name in cells}
    at |= {f"reader_{number}": (FAR, FAR) for number in range(0, READERS, 2)}
    return {"ports": ports, "cells": cells, "netnames": {}}, at


def seen(module: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each cell reads, copies taken for what they are of."""
    original = {
        cell["connections"]["Q"][0]: module["cells"][name.split("_copy_")[0]]["connections"]["Q"][0]
        for name, cell in module["cells"].items()
        if cell["type"] == "TRELLIS_FF"
    }
    return {
        name: {
            port: [original.get(bit, bit) for bit in bits]
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] != "output"
        }
        for name, cell in module["cells"].items()
    }


def test_readers_of_each_corner_have_a_register_there() -> None:
    module, at = broadcast()
    before = copy.deepcopy(module)
    assert copy_registers(module, at) == 1
    nets = {module["cells"][f"reader_{number}"]["connections"]["A"][0] for number in range(0, READERS, 2)}
    others = {module["cells"][f"reader_{number}"]["connections"]["A"][0] for number in range(1, READERS, 2)}
    assert len(nets) == len(others) == 1 and nets != others
    twin = module["cells"].pop("wide_copy_1")
    assert {*twin["connections"]["Q"], 99} == nets | others
    assert twin == before["cells"]["wide"] | {"connections": twin["connections"]}
    module["cells"]["wide_copy_1"] = twin
    after = seen(module)
    assert after.pop("wide_copy_1") == after["wide"]
    assert after == seen(before)


def test_what_stays_single() -> None:
    """A register that ends a long path, one that leaves the design, and one whose readers are all in one place."""
    for module, at in (
        broadcast(levels=3),
        broadcast(is_port=True),
        (broadcast()[0], dict.fromkeys(broadcast()[1], (5.0, 5.0))),
    ):
        before = copy.deepcopy(module)
        assert copy_registers(module, at) == 0
        assert module == before


@given(st.lists(PLACES, min_size=1, max_size=80))
def test_each_thing_is_of_one_neighbourhood(at: list[tuple[float, float]]) -> None:
    groups = neighbourhoods(range(len(at)), at)
    assert sorted(thing for group in groups for thing in group) == list(range(len(at)))
    for group in groups:
        span = sum(max(at[k][axis] for k in group) - min(at[k][axis] for k in group) for axis in range(2))
        assert span <= SPAN or len(group) < 2 * NEIGHBOURS
        assert len(groups) == 1 or len(group) >= NEIGHBOURS
