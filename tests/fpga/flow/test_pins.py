"""Pads are where the constraints put their pins."""

from __future__ import annotations

from dovetail.fpga.boards import ULX3S_85F
from dovetail.fpga.flow.grid import pins
from dovetail.fpga.flow.pins import pad_places

CONSTRAINTS = """
LOCATE COMP "clk25_0__io" SITE "G2";
IOBUF PORT "clk25_0__io" IO_TYPE=LVCMOS33;
LOCATE COMP "sdram_0__dq__io[1]" SITE "L18";
LOCATE COMP "another" SITE "J16";
"""
MODULE = {
    "ports": {"clk25_0__io": {"bits": [2]}, "sdram_0__dq__io": {"bits": [3, 4]}},
    "cells": {
        "clock_pad": {"type": "TRELLIS_IO", "connections": {"B": [2], "O": [9]}},
        "dq_0": {"type": "TRELLIS_IO", "connections": {"B": [3], "O": [10]}},
        "dq_1": {"type": "TRELLIS_IO", "connections": {"B": [4], "O": [11]}},
        "table": {"type": "LUT4", "connections": {"B": [4]}},
    },
}


def test_pads_with_a_place_have_that_of_their_pin() -> None:
    """nextpnr says of a ULX3S that pin 'clk25_0__io' is at X0/Y47, and 'sdram_0__dq__io[1]' at X126/Y50."""
    places = pins(ULX3S_85F.device, ULX3S_85F.package)
    assert pad_places(MODULE, CONSTRAINTS, places) == {"clock_pad": (0, 47), "dq_1": (126, 50)}
