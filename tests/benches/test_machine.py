"""The Verilog of the whole machine under Verilator, with memory and host models from cocotbext-axi."""

from __future__ import annotations

import os

import pytest

from .simulate import CONFIG_VARIABLE, Design, run


@pytest.mark.rtl
def test_machine() -> None:
    run(Design.MACHINE, "bench_machine", os.environ.get(CONFIG_VARIABLE, "tiny"))


@pytest.mark.rtl
def test_machine_with_a_wide_bus() -> None:
    run(Design.MACHINE, "bench_machine", "wide", only="programs_leave|a_write_error|reset_at_any.*1.0")
