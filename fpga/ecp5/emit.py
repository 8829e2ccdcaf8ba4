"""The board's top as files: for synthesis, for placement, and for simulation."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.fpga.boards import Board
from dovetail.fpga.soc import memory_chip, uart_divisor
from dovetail.isa.config import Config

from .platform import Top, find_platform
from .pll import pll_settings

TOP = "top"
"""Name of the top module, and of the files but for their suffixes."""
VENDOR_CELLS = frozenset(
    [
        "BB",
        "CCU2C",
        "DCCA",
        "EHXPLLL",
        "FD1S3AX",
        "IB",
        "MULT18X18D",
        "OBZ",
        "ODDRX1F",
        "OFS1P3BX",
        "OFS1P3DX",
        "TRELLIS_FF",
    ]
)
"""Those that a simulation of the top needs models of; TRELLIS_FF are input registers with an inverted clock."""


@dataclass(frozen=True)
class TopFiles:
    """One design, in three forms of text.

    Attributes
    ----------
    rtlil:
        ``top.il``, for ``read_rtlil``; the top module is `TOP`. Its cells of the vendor are `VENDOR_CELLS`.
    constraints:
        ``top.lpf``: the pins, and the clocks' frequencies.
    verilog:
        ``top.v``: `rtlil` as Verilog, with the same cells, for a simulation of the pins. Empty unless it was asked
        for.

    Ports are named as the platform names them: ``clk25_0__io``, ``uart_0__rx__io``, ``uart_0__tx__io``,
    ``led_0__io`` to ``led_5__io`` in the order of `soc.Lights`, ``esp32_0__gpio0__io``, which is always high, and
    ``sdram_0__clk__io``, ``sdram_0__clk_en__io``, ``sdram_0__cs__io``, ``sdram_0__ras__io``, ``sdram_0__cas__io``,
    ``sdram_0__we__io``, ``sdram_0__ba__io``, ``sdram_0__a__io``, ``sdram_0__dqm__io``, ``sdram_0__dq__io``. They are
    the pins: those that are active low have their levels.
    """

    rtlil: str
    constraints: str
    verilog: str


def emit_top(config: Config, board: Board, *, verilog: bool = False) -> TopFiles:
    """The system on chip of `config` on the pins of `board`.

    Parameters
    ----------
    verilog:
        Write the Verilog for simulation, too.

    Raises
    ------
    ConfigError:
        The board is not of this family, or its clock, its memory or its serial line cannot be served.
    """
    platform = find_platform(board)
    # What is refused is refused before any part of the design exists: Amaranth warns of parts that are then unused.
    pll_settings(board.clock_hz, board.system_hz)
    memory_chip(board)
    uart_divisor(board)
    plan = platform.build(Top(config, board), name=TOP, do_build=False, emit_src=False, debug_verilog=verilog)
    return TopFiles(
        rtlil=_text(plan.files[f"{TOP}.il"]),
        constraints=_text(plan.files[f"{TOP}.lpf"]),
        verilog=_text(plan.files[f"{TOP}.debug.v"]) if verilog else "",
    )


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content
