"""The start of the system's clock."""

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

WAIT_BITS = 8


class ClockGate(wiring.Component):
    """Lets a clock through once it is steady, so that what it drives needs no reset.

    A reset would reach every register of the chip within a period. A clock that begins late does the same from the
    initial values that the bitstream gives to registers, over wires that the clock has anyway.

    Parameters
    ----------
    domain:
        Of a clock that runs from the start; `steady` must last ``2**WAIT_BITS`` of its cycles.

    Members
    -------
    input: In(1)
        The clock.
    steady: In(1)
        Asynchronous.
    output: Out(1)
        The clock, from a global clock buffer that does not cut pulses short (DCCA; Lattice FPGA-TN-02200).
    """

    input: In(1)
    steady: In(1)
    output: Out(1)

    def __init__(self, domain: str) -> None:
        self.domain = domain
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        steady, runs = Signal(), Signal()
        waited = Signal(WAIT_BITS)
        m.submodules.steady = FFSynchronizer(self.steady, steady, o_domain=self.domain)
        with m.If(~steady):
            m.d[self.domain] += [waited.eq(0), runs.eq(0)]
        with m.Elif(~waited.all()):
            m.d[self.domain] += waited.eq(waited + 1)
        with m.Else():
            m.d[self.domain] += runs.eq(1)
        m.submodules.buffer = Instance("DCCA", i_CLKI=self.input, i_CE=runs, o_CLKO=self.output)
        return m
