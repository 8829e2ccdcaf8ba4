"""What is done to a netlist before it is placed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dovetail.fpga.flow.synthesis import disconnect_unused_carries

INTO_THE_CHAIN, INTO_LOGIC, OUT_OF_THE_TOP, UNREAD = 2, 3, 4, 5


def carry(source: int | str, result: int | str) -> dict[str, Any]:
    directions = {"CIN": "input", "COUT": "output"}
    return {"type": "CCU2C", "port_directions": directions, "connections": {"CIN": [source], "COUT": [result]}}


def test_only_carries_that_nobody_reads_are_disconnected(tmp_path: Path) -> None:
    cells = {
        "first": carry("0", INTO_THE_CHAIN),
        "second": carry(INTO_THE_CHAIN, UNREAD),
        "read": carry("1", INTO_LOGIC),
        "table": {"type": "LUT4", "port_directions": {"A": "input"}, "connections": {"A": [INTO_LOGIC]}},
        "port": carry("0", OUT_OF_THE_TOP),
    }
    netlist = tmp_path / "top.json"
    netlist.write_text(json.dumps({"modules": {"top": {"ports": {"o": {"bits": [OUT_OF_THE_TOP]}}, "cells": cells}}}))
    disconnect_unused_carries(netlist)
    found = json.loads(netlist.read_text())["modules"]["top"]["cells"]
    cells["second"]["connections"]["COUT"] = ["x"]
    assert found == cells
