"""Boards with an ECP5: their pins, from amaranth-boards, and the system on chip between them."""

from amaranth.hdl import ClockDomain, ClockSignal, Module
from amaranth.lib import io, wiring
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform

from dovetail.fpga.boards import Board
from dovetail.fpga.soc import Lights, Soc
from dovetail.isa.config import Config, ConfigError

from .arithmetic import Ecp5Arithmetic, pairs_that_fit
from .clock import ClockGate
from .pads import DataPads
from .pll import Pll, pll_settings

COMMAND_PADS = {"clk_en": "cke", "cs": "cs_n", "ras": "ras_n", "cas": "cas_n", "we": "we_n"}
PLAIN_PADS = {"ba": "ba", "a": "a", "dqm": "dqm"}
"""Members of a platform's `sdram` resource, and those of `SdramPads` that they carry as they are."""


class Ulx3s85f(Ecp5Arithmetic, ULX3S_85F_Platform):
    """ULX3S with an LFE5U-85F."""


class Ulx3s25f(Ecp5Arithmetic, ULX3S_25F_Platform):
    """ULX3S with an LFE5U-25F."""


PLATFORMS: dict[str, type[LatticeECP5Platform]] = {"ulx3s-85f": Ulx3s85f, "ulx3s-25f": Ulx3s25f}
"""By the name of the board."""


def find_platform(board: Board) -> LatticeECP5Platform:
    """A platform for `board`, to be used for one design.

    Raises
    ------
    ConfigError:
        The board is of another family.
    """
    platform = PLATFORMS.get(board.name)
    if platform is None:
        raise ConfigError(f"{board.name} is not an ECP5 board; those are {', '.join(PLATFORMS)}")
    return platform()


class Top(wiring.Component):
    """`Soc` on a board's pins: oscillator, PLL, serial line, SDRAM and lights.

    The system's one clock domain, `sync`, is the PLL's output. It begins when the PLL is locked, and has no reset: all
    registers start as the bitstream says. The SDRAM's clock is its inverse, so that the chip samples in the middle of
    what the pads' registers hold, and what it answers is sampled one period of the SDRAM after the edge that sends it.
    """

    def __init__(self, config: Config, board: Board) -> None:
        self.config, self.board = config, board
        self.settings = pll_settings(board.clock_hz, board.system_hz)
        self.soc = Soc(config, board)
        super().__init__({})

    def elaborate(self, platform: LatticeECP5Platform) -> Module:
        m = Module()
        platform.multipliers = pairs_that_fit(self.board.capacity.dsp, self.config)
        self._clock(m, platform)
        m.submodules.soc = self.soc
        self._line(m, platform)
        self._sdram(m, platform)
        for number, name in enumerate(Lights().members):
            m.submodules[f"{name}_pad"] = pad = io.Buffer("o", platform.request("led", number, dir="-"))
            m.d.comb += pad.o.eq(getattr(self.soc.lights, name))
        # The ESP32 shares this pin with its boot button, and restarts the board when it finds it low.
        m.submodules.esp32_pad = esp32 = io.Buffer("o", platform.request("esp32", dir="-").gpio0)
        m.d.comb += esp32.o.eq(1)
        return m

    def _clock(self, m: Module, platform: LatticeECP5Platform) -> None:
        m.submodules.oscillator = oscillator = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.submodules.pll = pll = Pll(self.settings)
        m.domains.sync = ClockDomain(reset_less=True)
        m.domains.oscillator = ClockDomain(reset_less=True)
        m.submodules.gate = gate = ClockGate("oscillator")
        m.d.comb += [
            ClockSignal("oscillator").eq(oscillator.i),
            pll.input.eq(oscillator.i),
            gate.input.eq(pll.output),
            gate.steady.eq(pll.locked),
            ClockSignal().eq(gate.output),
        ]
        platform.add_clock_constraint(gate.output, self.board.system_hz)

    def _line(self, m: Module, platform: LatticeECP5Platform) -> None:
        line = platform.request("uart", dir="-")
        m.submodules.rx_pad = rx = io.Buffer("i", line.rx)
        m.submodules.tx_pad = tx = io.Buffer("o", line.tx)
        m.d.comb += [self.soc.rx.eq(rx.i), tx.o.eq(self.soc.tx)]

    def _sdram(self, m: Module, platform: LatticeECP5Platform) -> None:
        pins = platform.request("sdram", dir="-")
        signals = self.soc.sdram
        m.submodules.sdram_clk = clk = io.DDRBuffer("o", pins.clk)
        m.d.comb += [clk.o[0].eq(0), clk.o[1].eq(1)]
        for name, member in (COMMAND_PADS | PLAIN_PADS).items():
            port = getattr(pins, name)
            m.submodules[f"sdram_{name}"] = pad = io.FFBuffer("o", ~port if member.endswith("_n") else port)
            m.d.comb += pad.o.eq(getattr(signals, member))
        m.submodules.sdram_dq = dq = DataPads(pins.dq)
        m.d.comb += [dq.o.eq(signals.dq_o), dq.oe.eq(signals.dq_oe), signals.dq_i.eq(dq.i)]
