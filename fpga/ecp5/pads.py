"""Pads whose registers are in the pads' own cells."""

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out


class DataPads(wiring.Component):
    """Bidirectional pads, driven after the rising edge of `sync` and sampled at the falling one.

    `lib.io.FFBuffer` samples at the rising edge only, and a pad's two directions cannot have two clocks; but each
    direction has an inverter for the one clock. From the falling edge a sample moves on by falling edges for a whole
    cycle, because the timing analysis takes all of a pad's registers for rising: what it checks here is then stricter
    than what happens, not laxer.

    Members
    -------
    o, oe: In
        What is driven in the next cycle, if at all. High impedance from power-up on until the first clock.
    i: Out
        What the pads showed at the falling edge in the middle of the last cycle but one.
    """

    def __init__(self, port: io.SingleEndedPort) -> None:
        if any(port.invert):
            raise ValueError("inverted data pads are not supported")
        self.port = port
        super().__init__({"o": In(len(port)), "oe": In(1), "i": Out(len(port))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.fall = ClockDomain("fall", clk_edge="neg", reset_less=True, local=True)
        m.d.comb += ClockSignal("fall").eq(ClockSignal())
        bits = len(self.port)
        driven, high_impedance, shown = Signal(bits), Signal(bits), Signal(bits)
        sampled, falling = Signal(bits), Signal(bits, reset_less=True)
        rising = Signal(bits, reset_less=True)
        m.d.fall += falling.eq(sampled)
        m.d.sync += rising.eq(falling)
        m.d.comb += self.i.eq(rising)
        for k in range(bits):
            m.submodules[f"pad_{k}"] = Instance(
                "BB", i_I=driven[k], i_T=high_impedance[k], o_O=shown[k], io_B=self.port.io[k]
            )
            m.submodules[f"output_{k}"] = Instance(
                "OFS1P3DX",
                p_GSR="DISABLED",
                i_SCLK=ClockSignal(),
                i_SP=1,
                i_CD=0,
                i_D=self.o[k],
                o_Q=driven[k],
            )
            m.submodules[f"enable_{k}"] = Instance(
                "OFS1P3BX",
                p_GSR="DISABLED",
                i_SCLK=ClockSignal(),
                i_SP=1,
                i_PD=0,
                i_D=~self.oe,
                o_Q=high_impedance[k],
            )
            # An IFS1P3DX has no parameter for its clock's edge; this is what one becomes.
            m.submodules[f"input_{k}"] = Instance(
                "TRELLIS_FF",
                a_syn_useioff=1,
                a_ioff_dir="input",
                p_GSR="DISABLED",
                p_CEMUX="CE",
                p_CLKMUX="INV",
                p_LSRMUX="LSR",
                p_REGSET="RESET",
                p_SRMODE="ASYNC",
                i_CLK=ClockSignal(),
                i_CE=1,
                i_LSR=0,
                i_DI=shown[k],
                o_Q=sampled[k],
            )
        return m
