"""The performance counters: many and wide, in one memory with one adder.

Beside each is counted what happened since its turn came last, which is once in as many cycles as there are counters; in
its turn that is added. All of them in registers with adders of their own were a twentieth of `small` on an FPGA.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.registers import REGISTER_BITS, Counter

COUNTERS = len(Counter)


class Counters(wiring.Component):
    """Counters that stay at their greatest number.

    Parameters
    ----------
    bits:
        Of each.

    Members
    -------
    events: In
        A bit for each `Counter`: count up in this cycle.
    clear: In(1)
        All are 0 from here on, and shown as such; events of this cycle do not count.
    index: Out
        Whose number is shown; each in its turn.
    value: Out
        Its number, of all events but those of this cycle and the three before.
    """

    def __init__(self, bits: int = REGISTER_BITS) -> None:
        self.bits = bits
        super().__init__({"events": In(COUNTERS), "clear": In(1), "index": Out(range(COUNTERS)), "value": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.numbers = numbers = memory.Memory(shape=self.bits, depth=COUNTERS, init=[])
        read, write = numbers.read_port(domain="comb"), numbers.write_port()

        turn = Signal(range(COUNTERS))
        m.d.sync += turn.eq(Mux(turn == COUNTERS - 1, 0, turn + 1))
        cleared = Signal(COUNTERS, init=-1)
        since = Array(Signal(range(COUNTERS + 1), name=f"since_{number}") for number in range(COUNTERS))
        for number, count in enumerate(since):
            its_turn = turn == number
            m.d.sync += count.eq(Mux(its_turn, 0, count) + self.events[number])
            with m.If(its_turn):
                m.d.sync += cleared[number].eq(0)
        with m.If(self.clear):
            m.d.sync += [cleared.eq(~0), *(count.eq(0) for count in since)]

        added, base, more = Signal.like(turn), Signal(self.bits), Signal.like(since[0])
        m.d.comb += read.addr.eq(turn)
        m.d.sync += [added.eq(turn), base.eq(Mux(cleared.bit_select(turn, 1), 0, read.data)), more.eq(since[turn])]
        total = Signal(self.bits + 1)
        m.d.comb += total.eq(base + more)
        m.d.sync += [self.index.eq(added), self.value.eq(total[:-1] | total[-1].replicate(self.bits))]
        with m.If(self.clear):
            m.d.sync += [base.eq(0), more.eq(0), self.value.eq(0)]
        m.d.comb += [write.addr.eq(self.index), write.data.eq(self.value), write.en.eq(1)]
        return m
