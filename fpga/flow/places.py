"""What nextpnr is told of places before it places: a floorplan, and room for wires."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dovetail.fpga.boards import Board

from .floorplan import floorplan
from .room import reserved


@dataclass(frozen=True)
class Places:
    """What was decided.

    Attributes
    ----------
    netlist:
        With it.
    reserved:
        How many look-up tables only take places.
    """

    netlist: Path
    reserved: int


def fix_places(netlist: Path, board: Board, top: str, used: int, target: Path) -> Places:
    """Fix the places of some cells.

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
    design = json.loads(netlist.read_bytes())
    cells = design["modules"][top]["cells"]
    for name, bel in floorplan(cells, board.device).items():
        cells[name].setdefault("attributes", {})["BEL"] = bel
    room = reserved(board, used)
    cells |= room
    target.write_text(json.dumps(design))
    return Places(target, len(room))
