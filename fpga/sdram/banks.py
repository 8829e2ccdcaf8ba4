"""What the chip's banks can take."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import clog2

from .chips import SdramChip, SdramClocks


class Banks(wiring.Component):
    """Follows the banks' commands, and says which of them may come next. An output has a bit a bank.

    Members
    -------
    activate, precharge, write: In(1)
        The command is given to `bank` in this cycle.
    bank: In
    close: In(1)
        All banks are given PRECHARGE.
    open: Out
        A row is, or is being, opened.
    settled: Out
        The bank's last ACTIVATE or PRECHARGE is done: an open bank takes READ and WRITE, a closed one ACTIVATE.
    closable: Out
        PRECHARGE may be given.
    spaced: Out(1)
        The last ACTIVATE of any bank is long enough ago for another.
    """

    def __init__(self, chip: SdramChip, clocks: SdramClocks) -> None:
        self.chip = chip
        self.clocks = clocks
        super().__init__(
            {
                "activate": In(1),
                "precharge": In(1),
                "write": In(1),
                "bank": In(clog2(chip.banks)),
                "close": In(1),
                "open": Out(chip.banks),
                "settled": Out(chip.banks),
                "closable": Out(chip.banks),
                "spaced": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clocks = self.clocks
        for k in range(self.chip.banks):
            here = Signal(name=f"here_{k}")
            m.d.comb += here.eq(self.bank == k)
            activate, precharge = self.activate & here, self.precharge & here
            m.d.comb += [
                self.settled[k].eq(
                    elapsed(m, [(activate, clocks.rcd), (precharge, clocks.rp)], f"settling_{k}"),
                ),
                self.closable[k].eq(
                    elapsed(m, [(activate, clocks.ras)], f"opening_{k}")
                    & elapsed(m, [(self.write & here, clocks.wr)], f"writing_{k}")
                ),
            ]
            with m.If(self.close | precharge):
                m.d.sync += self.open[k].eq(0)
            with m.Elif(activate):
                m.d.sync += self.open[k].eq(1)
        m.d.comb += self.spaced.eq(elapsed(m, [(self.activate, clocks.rrd)], "spacing"))
        return m


def elapsed(m: Module, events: list[tuple[Value, int]], name: str) -> Value:
    """Whether the clocks that follow the last of some events have passed; the event's own cycle counts as the first."""
    left = Signal(range(max(clocks for _, clocks in events)), name=name)
    with m.If(left != 0):
        m.d.sync += left.eq(left - 1)
    for event, clocks in events:
        with m.If(event):
            m.d.sync += left.eq(clocks - 1)
    return left == 0
