"""Room for wires: places of the device that the placer is not to use.

nextpnr fills the part of the device that it needs to three quarters, and leaves the rest empty; there is no option for
it on this family. With so many look-up tables side by side its router runs out of wires although the device has twice
as many. So some are taken beforehand, in a pattern of bricks: the rest is filled as before, but is spread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dovetail.fpga.boards import Board

from .errors import ToolMissing
from .tools import Tool

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
LOGIC = "PLC2"
"""Type of the tiles that hold them."""
PLACE = re.compile(r"R(\d+)C(\d+):")
GRID = Path("share") / "trellis" / "database" / "ECP5"
PREFIX = "reserved_"
INPUTS = "ABCD"


@dataclass(frozen=True)
class Room:
    """What was taken.

    Attributes
    ----------
    netlist:
        With cells of no use in the places that are to stay free.
    tables:
        How many look-up tables those are.
    """

    netlist: Path
    tables: int


def make_room(netlist: Path, board: Board, top: str, used: int, target: Path) -> Room:
    """Take as many places as the design can do without.

    Parameters
    ----------
    netlist:
        Of Yosys, as JSON; it stays as it is.
    used:
        Look-up tables that it needs.
    target:
        Where the other netlist goes.

    Raises
    ------
    ToolMissing:
        nextpnr's package does not describe the device.
    """
    columns = taken_columns(used, board.capacity.lut)
    if not columns:
        return Room(netlist, 0)
    design = json.loads(netlist.read_bytes())
    cells = design["modules"][top]["cells"]
    bels = [f"X{x}/Y{y}/{table}" for x, y in logic_tiles(board.device) if taken(x, y, columns) for table in TABLES]
    cells |= {f"{PREFIX}{number}": _cell(bel) for number, bel in enumerate(bels)}
    target.write_text(json.dumps(design))
    return Room(target, len(bels))


def taken_columns(used: int, capacity: int) -> int:
    """How many of `TILES` columns can be taken from a device with `capacity` look-up tables."""
    free = used / capacity / FILL
    return max(0, min(MOST, int((1 - free) * TILES)))


def taken(x: int, y: int, columns: int) -> bool:
    """Whether a tile is part of a brick."""
    return (x + STAGGER * y) % TILES < columns


def logic_tiles(device: str) -> Iterator[tuple[int, int]]:
    """Columns and rows of a device's logic."""
    package = find_spec(Tool.NEXTPNR.module)
    grid = package and package.origin and Path(package.origin).parent / GRID / device / "tilegrid.json"
    if not grid or not grid.is_file():
        raise ToolMissing(f"{Tool.NEXTPNR.package} does not describe {device}; install the version in pyproject.toml")
    for name, tile in json.loads(grid.read_text()).items():
        if tile["type"] == LOGIC and (found := PLACE.match(name)):
            yield int(found[2]), int(found[1])


def _cell(bel: str) -> dict[str, object]:
    return {
        "hide_name": 0,
        "type": "LUT4",
        "parameters": {"INIT": "0" * (1 << len(INPUTS))},
        "attributes": {"BEL": bel},
        "port_directions": {**dict.fromkeys(INPUTS, "input"), "Z": "output"},
        "connections": {name: [] for name in (*INPUTS, "Z")},
    }
