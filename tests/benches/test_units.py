"""The Verilog of each unit under Verilator, driven with random traffic by a cocotb bench."""

from __future__ import annotations

import os

import pytest

from .simulate import CONFIG_VARIABLE, Design, run


@pytest.mark.rtl
@pytest.mark.parametrize("unit", ["fetch", "load", "compute", "store", "port"])
def test_unit(unit: str) -> None:
    run(Design.UNITS, f"bench_{unit}", os.environ.get(CONFIG_VARIABLE, "tiny"))
