"""Room for wires: places of the device that the placer is not to use.

nextpnr fills the part of the device that it needs to three quarters, and leaves the rest empty; there is no option for
it on this family. With so many look-up tables side by side its router runs out of wires although the device has twice
as many. So some are taken beforehand, in a pattern of bricks: the rest is filled as before, but is spread.
"""

from __future__ import annotations

from typing import Any

from dovetail.fpga.boards import Board

from .grid import logic_tiles

FILL = 0.75
"""To which the placer fills what is free (`beta` in nextpnr's ecp5/arch.cc)."""
TILES = 16
"""Columns after which the pattern repeats; carry chains lie in a row, and must fit between bricks."""
MOST = 5
"""Columns of those that are taken at most: the longest chain, of 64 bits, needs 9 tiles."""
STAGGER = 7
"""Columns by which bricks are shifted from row to row."""
TABLES = [f"SLICE{side}.K{half}" for side in "ABCD" for half in "01"]
"""Look-up tables of a tile, as nextpnr names them."""
PREFIX = "reserved_"
INPUTS = "ABCD"


def reserved(board: Board, used: int) -> dict[str, dict[str, Any]]:
    """Cells of no use, by name, in as many places as a design can do without.

    Parameters
    ----------
    used:
        Look-up tables that the design needs.

    Raises
    ------
    ToolMissing:
        nextpnr's package does not describe the device.
    """
    columns = taken_columns(used, board.capacity.lut)
    if not columns:
        return {}
    bels = [f"X{x}/Y{y}/{table}" for x, y in logic_tiles(board.device) if taken(x, y, columns) for table in TABLES]
    return {f"{PREFIX}{number}": _cell(bel) for number, bel in enumerate(bels)}


def taken_columns(used: int, capacity: int) -> int:
    """How many of `TILES` columns can be taken from a device with `capacity` look-up tables."""
    free = used / capacity / FILL
    return max(0, min(MOST, int((1 - free) * TILES)))


def taken(x: int, y: int, columns: int) -> bool:
    """Whether a tile is part of a brick."""
    return (x + STAGGER * y) % TILES < columns


def _cell(bel: str) -> dict[str, Any]:
    return {
        "hide_name": 0,
        "type": "LUT4",
        "parameters": {"INIT": "0" * (1 << len(INPUTS))},
        "attributes": {"BEL": bel},
        "port_directions": {**dict.fromkeys(INPUTS, "input"), "Z": "output"},
        "connections": {name: [] for name in (*INPUTS, "Z")},
    }
