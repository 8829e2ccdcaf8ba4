"""Frames on the line, and their contents: the escaping and the check of `isa.link`, a byte a cycle at most."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import Processor
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out

from dovetail.isa.link import CRC_BYTES, END, ESC, ESC_END, ESC_ESC

from .uart import BYTE_BITS


def crc32() -> Processor:
    """The check of a frame, over a byte a cycle."""
    return CRC32_ETHERNET(data_width=BYTE_BITS).create()


def received() -> data.StructLayout:
    """A byte of a frame's contents or, when `end`, the end of the frame, which is then whole if it is `good`.

    Contents are the header and payload, without the check. Those of a frame that is not good are to be forgotten.
    """
    return data.StructLayout({"data": BYTE_BITS, "end": 1, "good": 1})


def sent() -> data.StructLayout:
    """A byte of a frame's contents or, when `end`, the end of the frame."""
    return data.StructLayout({"data": BYTE_BITS, "end": 1})


class FrameReceiver(wiring.Component):
    """Takes frames out of a stream of bytes. Whatever went before, a frame after an `END` is received.

    Frames may have any length. Empty ones are passed over in silence.

    Members
    -------
    bytes: In(stream)
        As they come over the line.
    contents: Out(stream of `received`)
    """

    def __init__(self) -> None:
        super().__init__({"bytes": In(stream.Signature(BYTE_BITS)), "contents": Out(stream.Signature(received()))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = crc32()
        taken = Signal()
        begun, escaped, broken = Signal(), Signal(), Signal()
        # The last bytes may turn out to be the check, which is no part of the contents.
        held, holding = Signal(CRC_BYTES * BYTE_BITS), Signal(range(CRC_BYTES + 1))
        is_byte, byte = Signal(), Signal(BYTE_BITS)

        m.d.comb += [
            self.bytes.ready.eq(~self.contents.valid | self.contents.ready),
            taken.eq(self.bytes.valid & self.bytes.ready),
            byte.eq(self.bytes.payload),
            crc.data.eq(byte),
            crc.valid.eq(is_byte),
        ]
        with m.If(self.contents.ready):
            m.d.sync += self.contents.valid.eq(0)
        with m.If(taken):
            m.d.sync += [begun.eq(1), escaped.eq(0)]
            with m.Switch(self.bytes.payload):
                with m.Case(END):
                    m.d.comb += crc.start.eq(1)
                    m.d.sync += [
                        begun.eq(0),
                        broken.eq(0),
                        holding.eq(0),
                        self.contents.valid.eq(begun),
                        self.contents.payload.end.eq(1),
                        self.contents.payload.good.eq((holding == CRC_BYTES) & crc.match_detected & ~broken & ~escaped),
                    ]
                with m.Case(ESC):
                    m.d.sync += [escaped.eq(1), broken.eq(broken | escaped)]
                with m.Default():
                    m.d.comb += is_byte.eq(1)
        with m.If(escaped):
            with m.Switch(self.bytes.payload):
                with m.Case(ESC_END):
                    m.d.comb += byte.eq(END)
                with m.Case(ESC_ESC):
                    m.d.comb += byte.eq(ESC)
                with m.Default():
                    with m.If(is_byte):
                        m.d.sync += broken.eq(1)
        with m.If(is_byte):
            m.d.sync += held.eq(Cat(held[BYTE_BITS:], byte))
            with m.If(holding == CRC_BYTES):
                m.d.sync += [
                    self.contents.valid.eq(1),
                    self.contents.payload.end.eq(0),
                    self.contents.payload.data.eq(held[:BYTE_BITS]),
                ]
            with m.Else():
                m.d.sync += holding.eq(holding + 1)
        return m


class FrameTransmitter(wiring.Component):
    """Sends contents as a frame: the inverse of `FrameReceiver`.

    Members
    -------
    contents: In(stream of `sent`)
    bytes: Out(stream)
        As they go over the line.
    """

    def __init__(self) -> None:
        super().__init__({"contents": In(stream.Signature(sent())), "bytes": Out(stream.Signature(BYTE_BITS))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = crc32()
        check, check_left = Signal(CRC_BYTES * BYTE_BITS), Signal(range(CRC_BYTES))
        free = Signal()
        # A byte that must be escaped leaves in two cycles; this is what the second owes.
        owed, owing = Signal(BYTE_BITS), Signal()
        is_byte, byte = Signal(), Signal(BYTE_BITS)

        m.d.comb += [
            free.eq((~self.bytes.valid | self.bytes.ready) & ~owing),
            crc.data.eq(self.contents.payload.data),
        ]
        with m.If(self.bytes.ready):
            m.d.sync += [self.bytes.valid.eq(owing), owing.eq(0)]
            with m.If(owing):
                m.d.sync += self.bytes.payload.eq(owed)

        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.contents.valid & free):
                    m.d.comb += crc.start.eq(1)
                    m.d.sync += [self.bytes.valid.eq(1), self.bytes.payload.eq(END)]
                    m.next = "CONTENTS"
            with m.State("CONTENTS"):
                m.d.comb += [self.contents.ready.eq(free), byte.eq(self.contents.payload.data)]
                with m.If(self.contents.valid & free):
                    with m.If(self.contents.payload.end):
                        m.d.sync += [check.eq(crc.crc), check_left.eq(CRC_BYTES - 1)]
                        m.next = "CHECK"
                    with m.Else():
                        m.d.comb += [is_byte.eq(1), crc.valid.eq(1)]
            with m.State("CHECK"):
                m.d.comb += [byte.eq(check[:BYTE_BITS]), is_byte.eq(free)]
                with m.If(free):
                    m.d.sync += [check.eq(check >> BYTE_BITS), check_left.eq(check_left - 1)]
                    with m.If(check_left == 0):
                        m.next = "END"
            with m.State("END"):
                with m.If(free):
                    m.d.sync += [self.bytes.valid.eq(1), self.bytes.payload.eq(END)]
                    m.next = "IDLE"

        with m.If(is_byte):
            m.d.sync += [self.bytes.valid.eq(1), self.bytes.payload.eq(byte)]
            with m.Switch(byte):
                with m.Case(END):
                    m.d.sync += [self.bytes.payload.eq(ESC), owed.eq(ESC_END), owing.eq(1)]
                with m.Case(ESC):
                    m.d.sync += [self.bytes.payload.eq(ESC), owed.eq(ESC_ESC), owing.eq(1)]
        return m
