"""Where a design's pads are: its pins, by the constraints, are where the board has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PAD, PAD_PORT = "TRELLIS_IO", "B"
LOCATED = re.compile(r'LOCATE COMP "(?P<port>[^"\[]+)(?:\[(?P<bit>\d+)\])?" SITE "(?P<pin>\w+)";')

Place = tuple[int, int]


def pad_places(module: Mapping[str, Any], constraints: str, pins: Mapping[str, Place]) -> dict[str, Place]:
    """Column and row of each pad cell that constraints locate, by its name.

    Parameters
    ----------
    module:
        A flat netlist of Yosys.
    constraints:
        An LPF file's text.
    pins:
        Where the device has them, by name.
    """
    ports = module["ports"]
    nets = {
        ports[found["port"]]["bits"][int(found["bit"] or 0)]: pins[found["pin"]]
        for found in LOCATED.finditer(constraints)
        if found["port"] in ports and found["pin"] in pins
    }
    pads = {name: cell["connections"][PAD_PORT][0] for name, cell in module["cells"].items() if cell["type"] == PAD}
    return {name: nets[net] for name, net in pads.items() if net in nets}
