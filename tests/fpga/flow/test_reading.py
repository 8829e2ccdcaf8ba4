"""What is read of the tools' words, in excerpts of what they said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dovetail.fpga.flow.path import Point, signal_name, translate
from dovetail.fpga.flow.place_and_route import Steps, read_placement
from dovetail.fpga.flow.synthesis import Passes

from .fake_tools import EXCERPT

NEXTPNR = """\
Info: Running main analytical placer, max placement attempts per cell = 10000.
Info:     at iteration #1, type TRELLIS_IO: wirelen solved = 5, spread = 7, legal = 9; time = 0.01s
Info:     at iteration #12, type ALL: wirelen solved = 75964, spread = 100777, legal = 124291; time = 4.70s
Info: HeAP Placer Time: 148.10s
Info:   at iteration #5: temp = 0.000000, timing cost = 1074, wirelen = 108014
Info:   at iteration #11: temp = 0.000000, timing cost = 1671, wirelen = 103899
Info:     iter=4 wires=360985 overused=4306 overuse=4357 archfail=NA
Info:     iter=31 wires=365325 overused=0 overuse=0 archfail=0
"""
YOSYS = """\
1. Executing RTLIL frontend.
2.6. Executing FLATTEN pass (flatten design).
2.12.1. Executing OPT_EXPR pass (perform const folding).
2.26. Executing MEMORY pass.
2.46.31.5. Executing ABC9.
2.46. Executing ABC9 pass.
2.53. Executing JSON backend.
"""


class Seen(list[tuple[str, int, int]]):
    def __call__(self, what: str, done: int, total: int) -> None:
        self.append((what, done, total))


def test_progress_of_placement_and_routing() -> None:
    seen = Seen()
    for line in NEXTPNR.splitlines():
        Steps(seen)(line)
    assert [what for what, _, _ in seen] == [
        "placement: iteration 12, wires of 124,291",
        "refinement: iteration 5, wires of 108,014",
        "refinement: iteration 11, wires of 103,899",
        "routing: iteration 4, 4,306 wires in conflict",
        "routing: iteration 31, 0 wires in conflict",
    ]


def test_progress_of_synthesis() -> None:
    seen = Seen()
    for line in YOSYS.splitlines():
        Passes(seen)(line)
    assert [what for what, _, _ in seen] == [
        "synthesis: optimising",
        "synthesis: memories",
        "synthesis: look-up tables",
        "synthesis: writing the netlist",
    ]


def test_the_slowest_path_is_that_between_registers_and_its_delays_add_up() -> None:
    placement = read_placement(EXCERPT, Path())
    assert (placement.worst.mhz, placement.worst.target_mhz, placement.worst.met) == (48.802, 66.671, False)
    assert translate(placement.path, "top") == (
        Point("top.soc.accelerator.load.fills.r_rdy", 2.056, 1.531),
        Point("top.soc.accelerator.load.fills.inner_level", 2.359, 2.123),
        Point("top.soc.accelerator.load.held", 5.374, 3.972),  # with what nextpnr put behind the end of a carry chain
        Point("top.soc.accelerator.control.error_index", 1.745, 1.253),
    )


@pytest.mark.parametrize(
    ("cell", "signal"),
    [
        (
            "soc.accelerator.compute.sums_TRELLIS_FF_Q_25_DI_CCU2C_S1_A1_LUT4_Z_D_LUT4_Z_1",
            "soc.accelerator.compute.sums",
        ),
        ("soc.accelerator.acc_buffer.entries.0.12", "soc.accelerator.acc_buffer.entries"),
        ("soc.accelerator.load.fills.storage.0.17$DPRAM_COMB0", "soc.accelerator.load.fills.storage"),
        ("soc.accelerator.load.held_TRELLIS_FF_Q_5_DI_CCU2C_B1$CCU2_COMB1", "soc.accelerator.load.held"),
        ("soc.accelerator.compute.array.U$3", "soc.accelerator.compute.array.U$3"),
        ("soc.accelerator.load.$signal$10_TRELLIS_FF_Q_1_DI_CCU2C_S1", "soc.accelerator.load.$signal$10"),
        ("o$34_TRELLIS_FF_Q_DI_LUT4_Z", "o$34"),
        ("$nextpnr_CCU2C_229$CCU2_COMB0", ""),
    ],
)
def test_names_of_cells_are_those_of_the_signals_that_they_were_made_for(cell: str, signal: str) -> None:
    assert signal_name(cell) == signal
