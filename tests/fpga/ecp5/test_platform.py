"""The board's top: its pins against the board's own constraints, its clock, and what it takes for its pads."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dovetail.fpga.boards import BOARDS, ULX3S_25F, Board
from dovetail.fpga.boards.pynq import PYNQ_Z1
from dovetail.fpga.ecp5.emit import VENDOR_CELLS, TopFiles, emit_top
from dovetail.fpga.ecp5.platform import find_platform
from dovetail.hw.products import HasProducts
from dovetail.isa.config import ConfigError, load_config

TINY = load_config("tiny")
SITES = {
    "clk25_0__io": "G2",
    "uart_0__rx__io": "M1",
    "uart_0__tx__io": "L4",
    "esp32_0__gpio0__io": "L2",
    "sdram_0__clk__io": "F19",
    "sdram_0__clk_en__io": "F20",
    "sdram_0__cs__io": "P20",
    "sdram_0__we__io": "T20",
    "sdram_0__ras__io": "R20",
    "sdram_0__cas__io": "T19",
    "sdram_0__ba__io": "P19 N20",
    "sdram_0__dqm__io": "U19 E20",
    "sdram_0__a__io": "M20 M19 L20 L19 K20 K19 K18 J20 J19 H20 N19 G20 G19",
    "sdram_0__dq__io": "J16 L18 M18 N18 P18 T18 T17 U20 E19 D20 D19 C20 E18 F18 J18 J17",
    **{f"led_{number}__io": site for number, site in enumerate(["B2", "C2", "C1", "D2", "D1", "E2"])},
}
"""From the constraints file that the board's makers publish, `ulx3s_v20.lpf`."""


@pytest.fixture(scope="module")
def top() -> TopFiles:
    return emit_top(TINY, ULX3S_25F, verilog=True)


def test_every_port_is_at_its_site(top: TopFiles) -> None:
    expected = {}
    for port, sites in SITES.items():
        names = sites.split()
        expected |= {f"{port}[{k}]" if len(names) > 1 else port: site for k, site in enumerate(names)}
    assert dict(re.findall(r'LOCATE COMP "(.*)" SITE "(.*)";', top.constraints)) == expected


def test_clocks_are_constrained(top: TopFiles) -> None:
    assert set(re.findall(r"FREQUENCY (.*) HZ;", top.constraints)) == {
        'NET "gate.output" 66666667.0',
        'PORT "clk25_0__io" 25000000.0',
    }


def test_there_is_one_pll_and_a_register_in_every_pad_of_the_memory(top: TopFiles) -> None:
    cells = re.findall(r"cell \\([A-Z0-9_]+) ", top.rtlil)
    data, outputs = 16, 1 + 5 + 2 + 13 + 2
    assert cells.count("EHXPLLL") == cells.count("ODDRX1F") == 1
    assert cells.count("BB") == cells.count("TRELLIS_FF") == cells.count("OFS1P3BX") == data
    # An output that is always driven has a register for that as well.
    assert cells.count("OFS1P3DX") == data + 2 * (outputs - 1) + 1


def test_the_simulated_top_has_the_same_pins_and_cells(top: TopFiles) -> None:
    (ports,) = re.findall(r"module top\((.*?)\);", top.verilog, re.DOTALL)
    assert set(ports.replace(" ", "").replace("\n", "").split(",")) == set(SITES)
    assert set(re.findall(r"cell \\([A-Z0-9_]+) ", top.rtlil)) == VENDOR_CELLS
    for cell in VENDOR_CELLS:
        uses = len(re.findall(rf"^ *{cell} (?:#\(|\w)", top.verilog, re.MULTILINE))
        assert uses == len(re.findall(rf"cell \\{cell} ", top.rtlil)) > 0, cell


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ecp5"], ids=lambda b: b.name)
def test_a_platform_is_the_boards(board: Board) -> None:
    platform = find_platform(board)
    assert (platform.device, platform.speed) == (board.device, board.speed)
    assert platform.default_clk_frequency == board.clock_hz
    assert isinstance(platform, HasProducts)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="pynq-z1 is not an ECP5 board; those are ulx3s-85f, ulx3s-25f"):
        emit_top(TINY, PYNQ_Z1)
    with pytest.raises(ConfigError, match="the nearest is 71875000 Hz"):
        emit_top(TINY, replace(ULX3S_25F, system_hz=72_000_000))
