"""What nextpnr is told of places before it places: a floorplan, copies of what is needed afar, and room for wires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.fpga.boards import Board

from .copies import copy_what_is_far
from .floorplan import floorplan
from .grid import pins, sites
from .network import Network
from .pins import pad_places
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


def fix_places(netlist: Path, constraints: str, board: Board, top: str, used: int, target: Path) -> Places:
    """Fix the places of some cells.

    Parameters
    ----------
    netlist:
        Of Yosys, as JSON; it stays as it is.
    constraints:
        Its pins, an LPF file's text.
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
    module = design["modules"][top]
    fix(module, board.device, pad_places(module, constraints, pins(board.device, board.package)))
    room = reserved(board, used)
    module["cells"] |= room
    target.write_text(json.dumps(design))
    return Places(target, len(room))


def fix(module: dict[str, Any], device: str, pads: Mapping[str, tuple[int, int]]) -> None:
    """Give a netlist its floorplan and copies.

    Parameters
    ----------
    module:
        Flat, of Yosys; it is changed in place.
    pads:
        Columns and rows of pad cells, by name.

    Raises
    ------
    CapacityError:
        It has more multipliers or block memories than the device.
    ToolMissing:
        nextpnr's package does not describe the device.
    """
    cells, kinds = module["cells"], sites(device).keys()
    fixed = [name for name, cell in cells.items() if cell["type"] in kinds]
    if not fixed:
        return
    network = Network(cells, [*fixed, *pads])
    plan = floorplan(network, [cells[name]["type"] for name in fixed], device, list(pads.values()))
    for name, site in zip(fixed, plan, strict=True):
        cells[name].setdefault("attributes", {})["BEL"] = site.bel
    at = [*((site.x, site.y) for site in plan), *pads.values()]
    copy_what_is_far(module, network.positions(np.array(at, np.float64)))
