"""Holds a request until it is executed, and says whether it may be."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.buffer import BufferMemory
from dovetail.hw.interfaces import BufferRead
from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, clog2
from dovetail.isa.link import ALIGN_BYTES, MAX_PAYLOAD_BYTES, TAG_BITS, LinkOp, Request
from dovetail.isa.registers import REGISTER_BITS, REGISTER_SPACE

from .framing import received
from .uart import BYTE_BITS

OP_BITS = 8
LENGTH_BITS = 32
REGISTER_BYTES = REGISTER_BITS // BYTE_BITS


def header() -> data.StructLayout:
    """`isa.link.Request`, the first byte in the lowest bits."""
    layout = data.StructLayout(
        {"op": OP_BITS, "zero": BYTE_BITS, "tag": TAG_BITS, "address": DRAM_ADDRESS_BITS, "length": LENGTH_BITS}
    )
    assert layout.size == Request.FORMAT.size * BYTE_BITS
    return layout


class Verdict(IntEnum):
    """What a frame turned out to be."""

    POSSIBLE = 0
    MALFORMED = 1
    DAMAGED = 2


class RequestHolder(wiring.Component):
    """Takes the contents of one frame and holds them until `release`.

    Members
    -------
    contents: In(stream of `framing.received`)
    present: Out(1)
        A frame has ended; what follows is constant until `release`.
    verdict: Out(Verdict)
        `DAMAGED` when its check failed or it is shorter than a header.
    header: Out
        Of the request; means nothing when it is damaged.
    value: Out(32)
        Payload of a register write.
    payload: In(BufferRead)
        Payload of a memory write, in words of the bus.
    release: In(1)
        Forget this frame, go on to the next.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.words = MAX_PAYLOAD_BYTES // config.bus_bytes
        super().__init__(
            {
                "contents": In(stream.Signature(received())),
                "present": Out(1),
                "verdict": Out(Verdict),
                "header": Out(header()),
                "value": Out(REGISTER_BITS),
                "payload": In(BufferRead(index_bits=clog2(self.words), entry_bits=config.bus_bits)),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = BufferMemory(depth=self.words, entry_bits=self.config.bus_bits)
        header_bytes = Request.FORMAT.size
        got_header = Signal(range(header_bytes + 1))
        # One more than fits, for a payload that is too long.
        got_payload = Signal(range(MAX_PAYLOAD_BYTES + 2))
        word, word_full = Signal(self.config.bus_bits), Signal()
        ended, checking = Signal(), Signal()
        read = self.payload
        m.d.comb += [
            self.value.eq(word[-REGISTER_BITS:]),
            buffer.read.en.eq(read.en),
            buffer.read.index.eq(read.index),
            read.data.eq(buffer.read.data),
            buffer.write.en.eq(word_full),
            buffer.write.data.eq(word),
            self.contents.ready.eq(~ended),
        ]

        index = Signal(range(self.words))
        in_word = clog2(self.config.bus_bytes)
        m.d.comb += buffer.write.index.eq(index)
        byte, of_header, of_payload = Signal(BYTE_BITS), Signal(), Signal()
        m.d.sync += [
            word_full.eq(0),
            index.eq((got_payload - 1) >> in_word),
            byte.eq(self.contents.payload.data),
            of_header.eq(0),
            of_payload.eq(0),
        ]
        with m.If(self.contents.valid & self.contents.ready):
            with m.If(self.contents.payload.end):
                m.d.sync += [ended.eq(1), self.verdict.eq(Verdict.POSSIBLE)]
                with m.If(~self.contents.payload.good | (got_header != header_bytes)):
                    m.d.sync += self.verdict.eq(Verdict.DAMAGED)
            with m.Elif(got_header != header_bytes):
                m.d.sync += [of_header.eq(1), got_header.eq(got_header + 1)]
            with m.Elif(got_payload <= MAX_PAYLOAD_BYTES):
                m.d.sync += [of_payload.eq(1), got_payload.eq(got_payload + 1)]
        # Where a byte belongs is known a cycle later. `possible` looks at it two cycles after that.
        with m.If(of_header):
            m.d.sync += self.header.eq(Cat(self.header.as_value()[BYTE_BITS:], byte))
        with m.If(of_payload):
            m.d.sync += [word.eq(Cat(word[BYTE_BITS:], byte)), word_full.eq(got_payload[:in_word] == 0)]

        possible = self._possible(m, got_payload)
        m.d.sync += checking.eq(ended)
        with m.If(checking & ~self.present):
            m.d.sync += self.present.eq(1)
            with m.If((self.verdict == Verdict.POSSIBLE) & ~possible):
                m.d.sync += self.verdict.eq(Verdict.MALFORMED)
        with m.If(self.release):
            m.d.sync += [self.present.eq(0), ended.eq(0), checking.eq(0), got_header.eq(0), got_payload.eq(0)]
        return m

    def _possible(self, m: Module, got_payload: Signal) -> Signal:
        """Whether the request that the header and the payload's length tell of can be executed. A cycle late."""
        address, length = self.header.address, self.header.length
        in_block = clog2(MAX_PAYLOAD_BYTES)
        in_unit = clog2(ALIGN_BYTES)
        empty, carried, memory, register, blank = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            empty.eq(got_payload == 0),
            carried.eq(got_payload == length),
            memory.eq(
                (address[:in_unit] == 0)
                & (length[:in_unit] == 0)
                & (length != 0)
                & (length <= MAX_PAYLOAD_BYTES)
                & (address[in_unit:in_block] + length[in_unit : in_block + 1] <= MAX_PAYLOAD_BYTES // ALIGN_BYTES)
            ),
            register.eq(
                (address < REGISTER_SPACE) & (address[: clog2(REGISTER_BYTES)] == 0) & (length == REGISTER_BYTES)
            ),
            blank.eq((address == 0) & (length == 0)),
        ]
        possible = Signal()
        with m.Switch(self.header.op):
            with m.Case(LinkOp.IDENTIFY):
                m.d.comb += possible.eq(blank & empty)
            with m.Case(LinkOp.READ_MEMORY):
                m.d.comb += possible.eq(memory & empty)
            with m.Case(LinkOp.WRITE_MEMORY):
                m.d.comb += possible.eq(memory & carried)
            with m.Case(LinkOp.READ_REGISTER):
                m.d.comb += possible.eq(register & empty)
            with m.Case(LinkOp.WRITE_REGISTER):
                m.d.comb += possible.eq(register & carried)
        with m.If(self.header.zero != 0):
            m.d.comb += possible.eq(0)
        return possible
