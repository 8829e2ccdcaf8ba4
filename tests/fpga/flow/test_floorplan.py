"""Multipliers and memories that logic connects strongly get places near each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.fpga.boards import BOARDS, ULX3S_85F, Board
from dovetail.fpga.flow.errors import CapacityError, ToolMissing
from dovetail.fpga.flow.floorplan import arrange, floorplan
from dovetail.fpga.flow.grid import Site, sites
from dovetail.fpga.flow.network import Network

ECP5 = [board for board in BOARDS.values() if board.device.startswith("LFE5U")]
LENGTH = 12
GROUPS = 5


def cell(kind: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"type": kind, "connections": {"I": inputs, "O": outputs, "UNUSED": ["x", "0"]}}


def rings() -> dict[str, dict[str, Any]]:
    """Separate rings, each of multipliers and memories by turns, with a table between each two."""
    cells, net = {}, 0
    for step in range(LENGTH):  # so that neighbours are far from each other in the netlist
        for group in range(GROUPS):
            net = 1000 * (group + 1)
            here, after = net + 2 * step, net + 2 * ((step + 1) % LENGTH)
            kind = ("MULT18X18D", "DP16KD")[step % 2]
            cells[f"group_{group}.{step}"] = cell(kind, [here], [here + 1])
            cells[f"group_{group}.table_{step}"] = cell("LUT4", [here + 1], [after])
    return cells


def plan(cells: dict[str, dict[str, Any]], device: str = ULX3S_85F.device) -> dict[str, Site]:
    fixed = [name for name in cells if "table" not in name]
    return dict(zip(fixed, floorplan(Network(cells, fixed), [cells[n]["type"] for n in fixed], device), strict=True))


@pytest.mark.parametrize("board", ECP5, ids=lambda board: board.name)
def test_there_are_as_many_sites_as_the_device_has(board: Board) -> None:
    found = sites(board.device)
    assert (len(found["MULT18X18D"]), len(found["DP16KD"])) == (board.capacity.dsp, board.capacity.bram)
    bels = [site.bel for one in found.values() for site in one]
    assert len(set(bels)) == len(bels)


def test_what_is_connected_is_near() -> None:
    cells = rings()
    places = plan(cells)
    assert len(set(places.values())) == len(places)
    assert all(("MULT18" in site.bel) == (cells[name]["type"] == "MULT18X18D") for name, site in places.items())
    at = {name: np.array((site.x, site.y)) for name, site in places.items()}
    steps = [
        np.abs(at[f"group_{group}.{step}"] - at[f"group_{group}.{(step + 1) % LENGTH}"]).sum()
        for group in range(GROUPS)
        for step in range(LENGTH)
    ]
    others = [np.abs(a - b).sum() for a in at.values() for b in at.values()]
    assert np.mean(steps) < np.mean(others) / 3


def test_the_same_netlist_gets_the_same_floorplan() -> None:
    assert plan(rings()) == plan(rings())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_things_get_different_places_of_their_kind(count: int, spare: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    strength = rng.random((count, count))
    strength += strength.T
    np.fill_diagonal(strength, 0)
    at = rng.random(count + spare)
    kinds = ["ab"[number % 2] for number in range(count)]
    place_kinds = kinds + ["b"] * spare
    found = arrange(strength, np.abs(at[:, None] - at), kinds, place_kinds, seed=seed)
    assert len(set(found)) == count
    assert [place_kinds[place] for place in found] == kinds


def test_a_device_that_nextpnr_does_not_know_is_named() -> None:
    with pytest.raises(ToolMissing, match="does not describe LFE5U-99F"):
        plan(rings(), "LFE5U-99F")


def test_a_design_with_more_of_a_kind_than_the_device_is_refused() -> None:
    few = BOARDS["ulx3s-25f"]
    cells = {f"multiplier_{number}": cell("MULT18X18D", [], [number]) for number in range(few.capacity.dsp + 1)}
    with pytest.raises(CapacityError, match="takes 29 MULT18X18D, of which LFE5U-25F has 28"):
        plan(cells, few.device)


def test_what_hangs_on_a_pad_is_near_it() -> None:
    cells = {name: cell("TRELLIS_IO", [number], []) for number, name in enumerate(("left", "right"), start=1)}
    cells |= {name: cell("DP16KD", [], [number]) for number, name in enumerate(("west", "east"), start=1)}
    fixed = ["west", "east"]
    network = Network(cells, [*fixed, "left", "right"])
    west, east = floorplan(network, ["DP16KD"] * 2, ULX3S_85F.device, [(0, 50), (126, 50)])
    assert west.x < 20 and east.x > 106
