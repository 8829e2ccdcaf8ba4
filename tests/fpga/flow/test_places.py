"""The netlist that nextpnr is given has places for some of its cells, and is otherwise that of Yosys."""

from __future__ import annotations

import json
from pathlib import Path

from dovetail.fpga.boards import ULX3S_85F
from dovetail.fpga.flow.places import fix_places

from .fake_tools import CELLS, netlist

SPARSE = ULX3S_85F.capacity.lut // 4


def test_multipliers_and_memories_have_places_and_others_are_kept_free(tmp_path: Path) -> None:
    given, target = tmp_path / "top.json", tmp_path / "other.json"
    given.write_text(netlist())
    places = fix_places(given, "", ULX3S_85F, "top", SPARSE, target)
    assert given.read_text() == netlist() and places.netlist == target
    before, after = (json.loads(path.read_text())["modules"]["top"]["cells"] for path in (given, target))
    assert len(after) == len(before) + places.reserved
    fixed = {name for name, kind in CELLS.items() if kind in ("MULT18X18D", "DP16KD")}
    assert {name for name in before if "BEL" in after[name].get("attributes", {})} == fixed
    for name in fixed:
        del after[name]["attributes"]
    assert {name: after[name] for name in before} == before
