"""What is read afar gets copies, and the design does what it did."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.fpga.flow.copies import EVERYWHERE, NEIGHBOURS, OUTPUTS, READERS, SPAN, copy_what_is_far, neighbourhoods

PLACES = st.tuples(st.floats(0, 126), st.floats(0, 95))
FAR = 90.0
Module = dict[str, Any]
At = dict[str, tuple[float, float]]


def cell(kind: str, inputs: dict[str, list[int]], outputs: dict[str, list[int]]) -> dict[str, Any]:
    """Its parameters are like no other's."""
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    parameters = {"INIT": f"{inputs}", "REGSET": f"{outputs}"}
    return {"type": kind, "parameters": parameters, "port_directions": directions, "connections": inputs | outputs}


def register(source: int, target: int) -> dict[str, Any]:
    return cell("TRELLIS_FF", {"CE": [1], "CLK": [0], "DI": [source], "LSR": [2]}, {"Q": [target]})


def table(source: int, target: int) -> dict[str, Any]:
    return cell("LUT4", {"A": [source]}, {"Z": [target]})


def broadcast(before: list[dict[str, Any]], ports: dict[str, int] | None = None) -> tuple[Module, At]:
    """Cells in a chain whose last drives net 99, read in two corners of a device; and where all that is."""
    cells = {f"chain_{number}": one for number, one in enumerate(before)}
    for number in range(READERS):
        cells[f"reader_{number}"] = cell("TRELLIS_FF", {"CE": [99], "DI": [100 + number]}, {"Q": [200 + number]})
    at = {name: (0.0, 0.0) for name in cells}
    at |= {f"reader_{number}": (FAR, FAR) for number in range(0, READERS, 2)}
    return {"ports": {name: {"bits": [bit]} for name, bit in (ports or {}).items()}, "cells": cells, "netnames": {}}, at


def seen(module: Module) -> dict[str, dict[str, Any]]:
    """Each cell but for what it drives, and with copies of what it reads taken for what they are of."""
    cells = module["cells"]
    outputs = {name: OUTPUTS[cell["type"]] for name, cell in cells.items() if cell["type"] in OUTPUTS}
    original = {
        cells[name]["connections"][port][0]: cells[name.partition("_copy_")[0]]["connections"][port][0]
        for name, port in outputs.items()
    }
    return {
        name: cell
        | {
            "connections": {
                port: [original.get(bit, bit) for bit in bits]
                for port, bits in cell["connections"].items()
                if cell["port_directions"][port] != "output"
            }
        }
        for name, cell in cells.items()
    }


def enables(module: Module, first: int) -> set[int]:
    """The nets that every second reader has."""
    return {module["cells"][f"reader_{number}"]["connections"]["CE"][0] for number in range(first, READERS, 2)}


@pytest.mark.parametrize(
    ("chain", "copied"),
    [
        ([register(1, 10), register(10, 99)], "chain_1"),
        ([register(1, 10), table(10, 11), table(11, 99)], "chain_2"),
        ([register(1, 10), table(10, 11), table(11, 12), register(12, 99)], "chain_3"),
    ],
)
def test_readers_of_each_corner_have_one_there(chain: list[dict[str, Any]], copied: str) -> None:
    module, at = broadcast(chain)
    before = copy.deepcopy(module)
    assert copy_what_is_far(module, at) == 1
    assert len(enables(module, 0)) == len(enables(module, 1)) == 1
    assert enables(module, 0) != enables(module, 1)
    (twin,) = module["cells"].keys() - before["cells"].keys()
    named = twin.partition("_copy_")[0]
    assert named == copied
    after = seen(module)
    assert after.pop(twin) == after[named] and after == seen(before)


def test_a_copy_drives_a_net_of_its_own_though_nobody_reads_that_of_another() -> None:
    module, at = broadcast([register(1, 10), register(10, 99), register(1, 100 + READERS)])
    assert copy_what_is_far(module, at) == 1
    driven = [cell["connections"]["Q"][0] for cell in module["cells"].values()]
    assert len(set(driven)) == len(driven)


def test_a_register_is_copied_for_the_copies_of_the_table_that_reads_it() -> None:
    module, at = broadcast([register(1, 10), table(10, 99)])
    for number in range(READERS):
        module["cells"][f"other_{number}"] = cell("LUT4", {"A": [10]}, {"Z": [300 + number]})
        at[f"other_{number}"] = (0.0, 0.0)
    for number in range(NEIGHBOURS):
        module["cells"][f"away_{number}"] = cell("LUT4", {"A": [10]}, {"Z": [400 + number]})
        at[f"away_{number}"] = (FAR, FAR)
    before = copy.deepcopy(module)
    assert copy_what_is_far(module, at) == 2
    cells = module["cells"]
    near, away = (cells[f"{name}_0"]["connections"]["A"] for name in ("other", "away"))
    tables = {tuple(cells[name]["connections"]["A"]) for name in cells if name.startswith("chain_1")}
    assert near != away and tables == {tuple(near), tuple(away)}
    after = seen(module)
    assert {name: after[name] for name in before["cells"]} == seen(before)


@pytest.mark.parametrize(
    "chain",
    [
        [register(1, 10), table(10, 11), table(11, 12), table(12, 13), register(13, 99)],
        [register(1, 10), table(10, 11), table(11, 12), table(12, 99)],
        [cell("DP16KD", {}, {"DOB0": [10]}), register(10, 99)],
    ],
    ids=["much logic", "much logic, and a table", "a memory"],
)
def test_what_ends_a_long_path_stays_single(chain: list[dict[str, Any]]) -> None:
    module, at = broadcast(chain)
    before = copy.deepcopy(module)
    assert copy_what_is_far(module, at) == 0 and module == before


def test_what_goes_everywhere_may_be_deeper() -> None:
    module, at = broadcast([register(1, 10), table(10, 11), table(11, 12), table(12, 13), register(13, 99)])
    for number in range(EVERYWHERE):
        module["cells"][f"more_{number}"] = cell("LUT4", {"A": [99]}, {"Z": [400 + number]})
        at[f"more_{number}"] = (0.0, 0.0)
    assert copy_what_is_far(module, at) == 1


def test_what_leaves_the_design_or_is_read_in_one_place_stays_single() -> None:
    chain = [register(1, 10), register(10, 99)]
    alone = dict.fromkeys(broadcast(chain)[1], (5.0, 5.0))
    for module, at in (broadcast(chain, {"q": 99}), (broadcast(chain)[0], alone)):
        before = copy.deepcopy(module)
        assert copy_what_is_far(module, at) == 0 and module == before


@given(st.lists(PLACES, min_size=1, max_size=80))
def test_each_thing_is_of_one_neighbourhood(at: list[tuple[float, float]]) -> None:
    groups = neighbourhoods(range(len(at)), at)
    assert sorted(thing for group in groups for thing in group) == list(range(len(at)))
    for group in groups:
        span = sum(max(at[k][axis] for k in group) - min(at[k][axis] for k in group) for axis in range(2))
        assert span <= SPAN or len(group) < 2 * NEIGHBOURS
        assert len(groups) == 1 or len(group) >= NEIGHBOURS
