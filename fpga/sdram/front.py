"""The AXI address channels, joined in one order."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4, level_bits
from dovetail.isa.config import Config

from .segments import access

ADDRESSES = 8
"""Addresses that each channel may be ahead."""
ANSWERS = 4
"""Writes that are served before the first one's answer is taken."""


class AxiFront(wiring.Component):
    """Queues reads and writes, and lets them pass in turns. A write waits until there is data for it.

    Members
    -------
    ar, aw: In(stream)
        As of `Axi4`.
    data_waits: In(1)
        Data to write is there.
    answered: In(1)
        The answer to a write has been taken.
    burst: Out(stream of `access`)
    """

    def __init__(self, config: Config) -> None:
        axi = Axi4(config).members
        super().__init__(
            {
                "ar": In(axi["ar"].signature),
                "aw": In(axi["aw"].signature),
                "data_waits": In(1),
                "answered": In(1),
                "burst": Out(stream.Signature(access())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        queues = []
        for name, channel in (("reads", self.ar), ("writes", self.aw)):
            m.submodules[name] = queue = SyncFIFO(width=len(channel.p.as_value()), depth=ADDRESSES)
            m.d.comb += [
                queue.w_data.eq(channel.p),
                queue.w_en.eq(channel.valid),
                channel.ready.eq(queue.w_rdy),
            ]
            queues.append(queue)
        reads, writes = queues

        unanswered = Signal(level_bits(ANSWERS))
        writable, write, write_next, passed = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            writable.eq(writes.r_rdy & self.data_waits & (unanswered != ANSWERS)),
            write.eq(writable & (write_next | ~reads.r_rdy)),
            self.burst.valid.eq(writable | reads.r_rdy),
            passed.eq(self.burst.valid & self.burst.ready),
            writes.r_en.eq(passed & write),
            reads.r_en.eq(passed & ~write),
            self.burst.p.as_value().eq(Cat(Mux(write, writes.r_data, reads.r_data), write)),
        ]
        with m.If(passed):
            m.d.sync += write_next.eq(~write)
        with m.If(writes.r_en & ~self.answered):
            m.d.sync += unanswered.eq(unanswered + 1)
        with m.Elif(self.answered & ~writes.r_en):
            m.d.sync += unanswered.eq(unanswered - 1)
        return m
