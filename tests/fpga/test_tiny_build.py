"""A whole build with the real tools, of the smallest machine; a few minutes.

Its clock is far from what the design reaches: how fast that is, builds of boards show.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from dovetail.fpga.boards import find_board
from dovetail.fpga.flow.build import build
from dovetail.isa.config import load_config

pytestmark = pytest.mark.synthesis

SYSTEM_HZ = 30_000_000
"""Ten clocks in a bit of the serial line."""
PREAMBLE = b"\xff\xff\xbd\xb3"
VERIFY_IDCODE = b"\xe2\x00\x00\x00"
IDCODE = 0x41111043
"""Of an LFE5U-25F: Lattice FPGA-TN-02039, as are the preamble and the command before it."""
CONTRACT = {"board", "config", "fmax_mhz", "lut", "ff", "dsp", "bram", "bitstream", "seconds"}


def test_tiny_becomes_a_bitstream_for_its_device(tmp_path: Path) -> None:
    board = replace(find_board("ulx3s-25f"), system_hz=SYSTEM_HZ)
    report = build(board, load_config("tiny"), config_name="tiny", out=tmp_path)
    bitstream = report.bitstream.read_bytes()
    assert report.bitstream == tmp_path / "ulx3s-25f-tiny.bit"
    comment, found, after = bitstream.partition(PREAMBLE)
    assert found and comment.startswith(b"\xff\0Part: LFE5U-25F-6CABGA381\0")
    assert struct.pack(">I", IDCODE) == after[after.index(VERIFY_IDCODE) + 4 :][:4]

    values = json.loads((tmp_path / "report.json").read_text())
    assert set(values) >= CONTRACT and values["timing_met"] is True
    assert values["fmax_mhz"] >= SYSTEM_HZ / 1e6
    assert {"accelerator.compute.array", "accelerator.load", "accelerator.store", "memory", "link"} <= set(
        values["units"]
    )
    counted = sum(use["lut"] for unit, use in values["units"].items() if "." not in unit)
    log = (tmp_path / "seed-1" / "place_and_route.log").read_text()
    total = re.search(r"Total LUT4s: +(\d+)/", log)
    placed = json.loads((tmp_path / "top_with_places.json").read_text())["modules"]["top"]["cells"]
    tables = {name: cell for name, cell in placed.items() if cell["type"] == "LUT4"}
    reserved = sum("BEL" in cell.get("attributes", {}) for cell in tables.values())
    copies = sum("_copy_" in name for name in tables)
    assert reserved and total is not None and counted + copies + reserved == int(total[1])
    names = [point["name"] for point in values["critical_path"]]
    assert names and all(name.startswith("top.soc.") for name in names)
