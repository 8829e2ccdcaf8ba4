"""The accelerator's netlist: what synthesis for the ECP5 makes of it, on its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dovetail.fpga
from dovetail.hw.emitted import kept
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent

from .flow.synthesis import synthesise
from .flow.tools import run_tool

TOP = "dovetail"


def netlist(config: Config, progress: Progress = silent) -> str:
    """The netlist, in Yosys' JSON: top module `TOP`, with the ports of `hw.verilog.emit`. It is kept by content.

    Raises
    ------
    ToolMissing, ToolFailed:
        Yosys is not installed, or did not make it.
    """

    def made() -> str:
        from amaranth.back import rtlil  # Amaranth need not load when the text is kept

        from dovetail.hw.accelerator import Accelerator

        from .ecp5.arithmetic import Ecp5Arithmetic

        return rtlil.convert(Accelerator(config), name=TOP, platform=Ecp5Arithmetic(), emit_src=False)

    progress("elaborating", 0, 0)
    text = kept(f"ecp5-{config.fingerprint:016x}", made, dovetail.fpga)
    with tempfile.TemporaryDirectory(prefix="dovetail-") as folder:
        return synthesise(text, TOP, Path(folder), run_tool, progress).netlist.read_text()
