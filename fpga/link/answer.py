"""Sends an answer's contents out of the buffer where they were put."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import BufferRead
from dovetail.isa.config import Config
from dovetail.isa.link import MAX_PAYLOAD_BYTES, Answer

from .framing import sent
from .uart import BYTE_BITS


class AnswerSender(wiring.Component):
    """Sends a header, and then bytes from a buffer of words of the bus, the lowest byte first.

    Parameters
    ----------
    index_bits:
        Of the buffer.

    Members
    -------
    start: In(1)
        Begin; only when none is going on.
    header: In(32)
        With `start`: an `isa.link.Answer`.
    first, length: In
        With `start`: the index of the payload's first word, and its bytes, which may be none.
    done: Out(1)
        High for a cycle when all is sent, and the buffer is not read any more.
    source: Out(BufferRead)
    contents: Out(stream of `framing.sent`)
    """

    def __init__(self, config: Config, *, index_bits: int) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "header": In(Answer.FORMAT.size * BYTE_BITS),
                "first": In(index_bits),
                "length": In(range(MAX_PAYLOAD_BYTES + 1)),
                "done": Out(1),
                "source": Out(BufferRead(index_bits=index_bits, entry_bits=config.bus_bits)),
                "contents": Out(stream.Signature(sent())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header_bytes = Answer.FORMAT.size
        word, in_word = Signal(self.config.bus_bits), Signal(range(self.config.bus_bytes + 1))
        left = Signal(range(MAX_PAYLOAD_BYTES + 1))
        contents, source = self.contents, self.source
        free = Signal()
        m.d.comb += free.eq(~contents.valid | contents.ready)
        m.d.sync += self.done.eq(0)
        with m.If(contents.ready):
            m.d.sync += contents.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [word.eq(self.header), in_word.eq(header_bytes)]
                m.d.sync += [left.eq(self.length), source.index.eq(self.first)]
                with m.If(self.start):
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(in_word == 0):
                    m.next = "FETCH"
                with m.Elif(free):
                    m.d.sync += [
                        contents.valid.eq(1),
                        contents.payload.data.eq(word[:BYTE_BITS]),
                        contents.payload.end.eq(0),
                        word.eq(word >> BYTE_BITS),
                        in_word.eq(in_word - 1),
                    ]
            with m.State("FETCH"):
                m.d.comb += source.en.eq(1)
                m.next = "LOAD"
                with m.If(left == 0):
                    m.next = "END"
            with m.State("LOAD"):
                m.d.sync += [word.eq(source.data), source.index.eq(source.index + 1)]
                with m.If(left < self.config.bus_bytes):
                    m.d.sync += [in_word.eq(left), left.eq(0)]
                with m.Else():
                    m.d.sync += [in_word.eq(self.config.bus_bytes), left.eq(left - self.config.bus_bytes)]
                m.next = "SEND"
            with m.State("END"):
                with m.If(free):
                    m.d.sync += [contents.valid.eq(1), contents.payload.end.eq(1), self.done.eq(1)]
                    m.next = "IDLE"
        return m
