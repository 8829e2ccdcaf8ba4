"""A request's access to memory: one AXI4 burst."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4, BufferRead, BufferWrite
from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, clog2
from dovetail.isa.link import MAX_PAYLOAD_BYTES

from ..interconnect import LINK_ID


class MemoryAccess(wiring.Component):
    """Reads a burst into a buffer, or writes one out of a buffer.

    Members
    -------
    start: In(1)
        Begin; only when none is going on.
    writing: In(1)
        With `start`: whether to write.
    address, beats: In
        With `start`: the first byte, aligned to the bus, and the beats, at least one; the burst must stay within a
        block of `MAX_PAYLOAD_BYTES`.
    done: Out(1)
        High for a cycle when the memory has answered all of it.
    error: Out(1)
        With `done`: some answer was SLVERR or DECERR.
    source: Out(BufferRead)
        What is written, from index 0 on.
    sink: Out(BufferWrite)
        What was read, from index 0 on, all there at `done`.
    axi: Out(Axi4)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        words = MAX_PAYLOAD_BYTES // config.bus_bytes
        super().__init__(
            {
                "start": In(1),
                "writing": In(1),
                "address": In(DRAM_ADDRESS_BITS),
                "beats": In(range(words + 1)),
                "done": Out(1),
                "error": Out(1),
                "source": Out(BufferRead(index_bits=clog2(words), entry_bits=config.bus_bits)),
                "sink": Out(BufferWrite(index_bits=clog2(words), entry_bits=config.bus_bits, lanes=1)),
                "axi": Out(Axi4(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ar, aw = self.axi.ar, self.axi.aw
        for address in (ar, aw):
            with m.If(address.ready):
                m.d.sync += address.valid.eq(0)
            with m.If(self.start):
                m.d.sync += [
                    address.valid.eq(Mux(self.writing, address is aw, address is ar)),
                    address.payload.addr.eq(self.address),
                    address.payload.len.eq(self.beats - 1),
                    address.payload.id.eq(LINK_ID),
                ]
        m.d.sync += self.done.eq(0)
        with m.If(self.start):
            m.d.sync += self.error.eq(0)
        self._read(m)
        self._write(m)
        return m

    def _read(self, m: Module) -> None:
        r, sink = self.axi.r, self.sink
        last = Signal()
        m.d.comb += r.ready.eq(1)
        m.d.sync += [
            sink.en.eq(r.valid),
            sink.data.eq(r.payload.data),
            sink.index.eq(sink.index + sink.en),
            last.eq(r.valid & r.payload.last),
        ]
        with m.If(self.start):
            m.d.sync += sink.index.eq(0)
        with m.If(r.valid & r.payload.resp[1]):
            m.d.sync += self.error.eq(1)
        with m.If(last):
            m.d.sync += self.done.eq(1)

    def _write(self, m: Module) -> None:
        w, b, source = self.axi.w, self.axi.b, self.source
        left = Signal.like(self.beats)
        m.d.comb += [b.ready.eq(1), w.payload.strb.eq(-1)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [source.index.eq(0), left.eq(self.beats)]
                with m.If(self.start & self.writing):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += source.en.eq(1)
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [
                    source.index.eq(source.index + 1),
                    left.eq(left - 1),
                    w.valid.eq(1),
                    w.payload.data.eq(source.data),
                    w.payload.last.eq(left == 1),
                ]
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += source.en.eq(1)
                with m.If(w.ready):
                    m.d.sync += w.valid.eq(0)
                    m.next = "LOAD"
                    with m.If(w.payload.last):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                with m.If(b.valid):
                    m.d.sync += [self.done.eq(1), self.error.eq(b.payload.resp[1])]
                    m.next = "IDLE"
