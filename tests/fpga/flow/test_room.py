"""Places that are kept from the placer, so that wires find room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dovetail.fpga.boards import ULX3S_25F, ULX3S_85F
from dovetail.fpga.flow.grid import logic_tiles
from dovetail.fpga.flow.room import FILL, MOST, TILES, reserved, taken, taken_columns

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


def test_a_sparse_design_leaves_as_many_places_as_the_pattern_has() -> None:
    cells = reserved(ULX3S_85F, ULX3S_85F.capacity.lut // 4)
    tiles = set(logic_tiles("LFE5U-85F"))
    assert len(tiles) * TABLES_A_TILE == ULX3S_85F.capacity.lut
    assert abs(len(cells) / ULX3S_85F.capacity.lut - MOST / TILES) < 0.01
    bels = {cell["attributes"]["BEL"] for cell in cells.values()}
    assert len(bels) == len(cells)
    places = {tuple(int(part[1:]) for part in bel.split("/")[:2]) for bel in bels}
    assert places == {(x, y) for x, y in tiles if taken(x, y, MOST)}


def test_a_dense_design_has_all_places() -> None:
    assert reserved(ULX3S_25F, ULX3S_25F.capacity.lut * 4 // 5) == {}
