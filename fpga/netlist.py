"""The accelerator's netlist: what synthesis for the ECP5 and the steps before placement make of it, on its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import dovetail.fpga
from dovetail.hw.emitted import kept
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent

from .boards import find_board
from .flow.places import fix
from .flow.synthesis import synthesise
from .flow.tools import run_tool

TOP = "dovetail"
BOARD = find_board("ulx3s-85f")
"""That it is made for; its device is the largest, so that what is far is furthest."""


def netlist(config: Config, progress: Progress = silent) -> str:
    """The netlist with floorplan and copies, in Yosys' JSON: top module `TOP`, with the ports of `hw.verilog.emit`.

    On a board the accelerator's copies lie elsewhere, since there is more around it, and its registers have no reset.

    Raises
    ------
    CapacityError:
        It takes more multipliers or block memories than the device has.
    ToolMissing, ToolFailed:
        Yosys is not installed, or did not make it.
    """

    def made() -> str:
        from amaranth.back import rtlil  # Amaranth need not load when the text is kept

        from dovetail.hw.accelerator import Accelerator

        from .ecp5.arithmetic import Ecp5Arithmetic, pairs_that_fit

        arithmetic = Ecp5Arithmetic()
        arithmetic.multipliers = pairs_that_fit(BOARD.capacity.dsp, config)
        return rtlil.convert(Accelerator(config), name=TOP, platform=arithmetic, emit_src=False)

    progress("elaborating", 0, 0)
    text = kept(f"ecp5-{config.fingerprint:016x}", made, dovetail.fpga)
    with tempfile.TemporaryDirectory(prefix="dovetail-") as folder:
        design = json.loads(synthesise(text, TOP, Path(folder), run_tool, progress).netlist.read_bytes())
    fix(design["modules"][TOP], BOARD.device, pads={})
    return json.dumps(design)
