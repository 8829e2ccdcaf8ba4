"""Places that are kept from the placer, so that wires find room."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.fpga.boards import ULX3S_25F, ULX3S_85F
from dovetail.fpga.flow.errors import ToolMissing
from dovetail.fpga.flow.room import FILL, MOST, TILES, logic_tiles, make_room, taken, taken_columns

from .fake_tools import netlist

TABLES_A_TILE = 8
CHAIN_BITS = 64


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_what_is_left_takes_the_design_at_the_placers_density(used: int, capacity: int) -> None:
    columns = taken_columns(used, capacity)
    assert 0 <= columns <= MOST
    assert not columns or used <= (1 - columns / TILES) * capacity * FILL * (1 + 1e-9)


def test_the_longest_chain_fits_between_bricks() -> None:
    chain_tiles = CHAIN_BITS // TABLES_A_TILE + 1
    assert TILES - MOST >= chain_tiles


def test_a_sparse_design_gets_as_many_places_as_the_pattern_has(tmp_path: Path) -> None:
    (tmp_path / "top.json").write_text(netlist())
    room = make_room(tmp_path / "top.json", ULX3S_85F, "top", ULX3S_85F.capacity.lut // 4, tmp_path / "other.json")
    tiles = set(logic_tiles("LFE5U-85F"))
    assert len(tiles) * TABLES_A_TILE == ULX3S_85F.capacity.lut
    assert abs(room.tables / ULX3S_85F.capacity.lut - MOST / TILES) < 0.01

    before, after = (
        json.loads(path.read_text())["modules"]["top"]["cells"] for path in (tmp_path / "top.json", room.netlist)
    )
    bels = [cell["attributes"]["BEL"] for name, cell in after.items() if name not in before]
    assert len(set(bels)) == len(bels) == room.tables
    assert {name: after[name] for name in before} == before
    places = {tuple(int(part[1:]) for part in bel.split("/")[:2]) for bel in bels}
    assert places == {(x, y) for x, y in tiles if taken(x, y, MOST)}


def test_a_dense_design_keeps_its_netlist(tmp_path: Path) -> None:
    (tmp_path / "top.json").write_text(netlist())
    room = make_room(tmp_path / "top.json", ULX3S_25F, "top", ULX3S_25F.capacity.lut * 4 // 5, tmp_path / "other.json")
    assert (room.netlist, room.tables) == (tmp_path / "top.json", 0)


def test_a_device_that_nextpnr_does_not_know_is_named() -> None:
    with pytest.raises(ToolMissing, match="does not describe LFE5U-99F"):
        next(logic_tiles("LFE5U-99F"))
