"""Tools that write at once what a test says that they came to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dovetail.fpga.flow.copies import OUTPUTS
from dovetail.fpga.flow.errors import ToolFailed
from dovetail.fpga.flow.tools import Task, Tool

EXCERPT: dict[str, Any] = json.loads((Path(__file__).parent / "timing.json").read_text())
"""Of nextpnr's report on `tiny` on a ULX3S-25F, that missed its clock; the carry chains of its slowest path are cut."""
CLOCK = "$glbnet$pll.output"
TARGET_MHZ = 66.671
"""That to which nextpnr held it."""

CELLS = {
    "soc.accelerator.compute.sums_TRELLIS_FF_Q": "TRELLIS_FF",
    "soc.accelerator.compute.sums_TRELLIS_FF_Q_DI_CCU2C_S0": "CCU2C",
    "soc.accelerator.compute.array.U$0": "MULT18X18D",
    "soc.accelerator.load.held_TRELLIS_FF_Q_DI_LUT4_Z": "LUT4",
    "soc.memory.reads.beats$7.storage.0.3": "TRELLIS_DPR16X4",
    "soc.link.request.buffer.0.0": "DP16KD",
    "soc.o$3_LUT4_Z": "LUT4",
    "pll.pll": "EHXPLLL",
    "ready_pad.buf.o_TRELLIS_FF_Q": "TRELLIS_FF",
}
MODULES = (
    *("soc", "soc.accelerator", "soc.accelerator.compute", "soc.accelerator.compute.array", "soc.accelerator.load"),
    *("soc.memory", "soc.memory.reads", "soc.memory.reads.beats$7", "soc.link", "soc.link.request"),
    *("pll", "ready_pad", "ready_pad.buf"),
)


def netlist(cells: Mapping[str, str] = CELLS) -> str:
    """A flat netlist as Yosys writes it, of cells by name."""
    all_cells = dict.fromkeys(MODULES, "$scopeinfo") | dict(cells)
    described = {
        name: {
            "type": kind,
            "parameters": {"DATA_WIDTH_B": "10010"},
            "connections": {OUTPUTS[kind]: [number]} if kind in OUTPUTS else {},
            "port_directions": {OUTPUTS[kind]: "output"} if kind in OUTPUTS else {},
        }
        for number, (name, kind) in enumerate(all_cells.items())
    }
    return json.dumps({"modules": {"top": {"ports": {}, "cells": described, "netnames": {}}}})


def timing(mhz: float, target_mhz: float = TARGET_MHZ) -> dict[str, Any]:
    """The excerpt, for a clock that comes out at `mhz`."""
    return EXCERPT | {"fmax": {CLOCK: {"achieved": mhz, "constraint": target_mhz}}}


class FakeTools:
    """Runs of tools.

    Parameters
    ----------
    place:
        nextpnr's report for a seed, or why it gives none.
    """

    def __init__(self, place: Callable[[int], dict[str, Any] | str], synthesised: str = "") -> None:
        self.place = place
        self.synthesised = synthesised or netlist()
        self.runs: list[Tool] = []

    def __call__(self, task: Task, heed: Callable[[str], None]) -> None:
        self.runs.append(task.tool)
        arguments = list(task.arguments)
        (task.folder / task.log).write_text("log\n")
        for name in task.outputs:
            (task.folder / name).write_text(f"{task.tool.program}\n")
        match task.tool:
            case Tool.YOSYS:
                (task.folder / task.outputs[0]).write_text(self.synthesised)
            case Tool.NEXTPNR:
                found = self.place(int(arguments[arguments.index("--seed") + 1]))
                if isinstance(found, str):
                    raise ToolFailed(found)
                assert (task.folder / arguments[arguments.index("--lpf") + 1]).is_file()
                placed = json.loads((task.folder / arguments[arguments.index("--json") + 1]).read_text())
                (task.folder / task.outputs[1]).write_text(json.dumps(_with_fixed_cells(found, placed)))
            case Tool.ECPPACK:
                assert (task.folder / arguments[arguments.index("--input") + 1]).is_file()


def _with_fixed_cells(report: dict[str, Any], design: dict[str, Any]) -> dict[str, Any]:
    """nextpnr's report with the look-up tables counted that only take places."""
    cells = design["modules"]["top"]["cells"].values()
    fixed = sum(cell["type"] == "LUT4" and "BEL" in cell.get("attributes", {}) for cell in cells)
    tables = report["utilization"]["TRELLIS_COMB"]
    counted = {"TRELLIS_COMB": tables | {"used": tables["used"] + fixed}}
    return report | {"utilization": report["utilization"] | counted}
