"""The accelerator as Verilog."""

from __future__ import annotations

from amaranth.back import verilog

from dovetail.isa.config import Config

from .accelerator import Accelerator

TOP = "dovetail"
"""Name of the emitted top module."""


def emit(config: Config) -> str:
    """Verilog of an accelerator: top module `TOP`, the ports of `Accelerator`, and `clk` and `rst`."""
    return verilog.convert(Accelerator(config), name=TOP, emit_src=False)
