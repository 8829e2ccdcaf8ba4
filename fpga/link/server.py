"""Executes a host's requests (`isa.link`) on the board's memory and the accelerator's registers."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.hw.interfaces import Axi4, Axi4Lite
from dovetail.hw.skid import SkidBuffer
from dovetail.isa.config import Config, clog2
from dovetail.isa.link import LINK_VERSION, MAX_PAYLOAD_BYTES, TAG_BITS, Identity, LinkOp, LinkStatus

from .answer import AnswerSender
from .framing import FrameReceiver, FrameTransmitter
from .memory import MemoryAccess
from .registers import RegisterAccess
from .request import OP_BITS, REGISTER_BYTES, RequestHolder, Verdict
from .uart import BYTE_BITS

STATUS_BITS = 8
LINE_BUFFER_BYTES = 2 * MAX_PAYLOAD_BYTES
"""What may arrive while an answer is sent."""


class LinkServer(wiring.Component):
    """Executes one whole request at a time and answers each. Frames may follow while an answer is sent.

    Parameters
    ----------
    config:
        Of the accelerator.
    memory_bytes, clock_hz:
        What `LinkOp.IDENTIFY` answers.

    Members
    -------
    rx: In(stream)
        Bytes from the line; `ready` is low only when `LINE_BUFFER_BYTES` wait.
    tx: Out(stream)
        Bytes for the line.
    axi: Out(Axi4)
        Id `interconnect.LINK_ID`, one burst at a time, all strobes set. The memory must answer every burst.
    ctl: Out(Axi4Lite)
        The accelerator's registers.
    activity, damaged: Out(1)
        High for a cycle for each answer, and for each that is `LinkStatus.DAMAGED`.
    """

    def __init__(self, config: Config, memory_bytes: int, clock_hz: int) -> None:
        self.config = config
        self.identity = Identity(LINK_VERSION, memory_bytes, clock_hz, config.fingerprint)
        super().__init__(
            {
                "rx": In(stream.Signature(BYTE_BITS)),
                "tx": Out(stream.Signature(BYTE_BITS)),
                "axi": Out(Axi4(config)),
                "ctl": Out(Axi4Lite()),
                "activity": Out(1),
                "damaged": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = MAX_PAYLOAD_BYTES // self.config.bus_bytes
        m.submodules.request = request = RequestHolder(self.config)
        m.submodules.memory = access = MemoryAccess(self.config)
        m.submodules.registers = registers = RegisterAccess()
        m.submodules.answer = answer = AnswerSender(self.config, index_bits=clog2(2 * words))
        self._line(m, request, answer)
        connect(m, flipped(self.axi), access.axi)
        connect(m, flipped(self.ctl), registers.bus)
        connect(m, access.source, request.payload)

        # The second half of the answers' buffer holds the identity from the beginning.
        identity = int.from_bytes(self.identity.encode(), "little")
        blank = [0] * words
        pieces = [
            identity >> at & (1 << self.config.bus_bits) - 1
            for at in range(0, Identity.FORMAT.size * BYTE_BITS, self.config.bus_bits)
        ]
        m.submodules.buffer = buffer = memory.Memory(
            shape=self.config.bus_bits, depth=2 * words, init=blank + pieces, attrs={"ram_style": "block"}
        )
        write, read = buffer.write_port(), buffer.read_port()
        m.d.comb += [
            read.en.eq(answer.source.en),
            read.addr.eq(answer.source.index),
            answer.source.data.eq(read.data),
        ]
        m.d.sync += [
            write.en.eq(access.sink.en | registers.done),
            write.addr.eq(Mux(registers.done, 0, access.sink.index)),
            write.data.eq(Mux(registers.done, registers.result, access.sink.data)),
        ]
        self._execute(m, request, access, registers, answer, identity_at=words)
        return m

    def _line(self, m: Module, request: RequestHolder, answer: AnswerSender) -> None:
        m.submodules.waiting = waiting = SyncFIFOBuffered(width=BYTE_BITS, depth=LINE_BUFFER_BYTES)
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.transmitter = transmitter = FrameTransmitter()
        byte = receiver.bytes
        connect(m, receiver.contents, request.contents)
        m.submodules.answered = answered = SkidBuffer(answer.contents.p.shape())
        connect(m, answer.contents, answered.input)
        connect(m, answered.output, transmitter.contents)
        connect(m, transmitter.bytes, flipped(self.tx))
        m.d.comb += [
            self.rx.ready.eq(waiting.w_rdy),
            waiting.w_en.eq(self.rx.valid),
            waiting.w_data.eq(self.rx.payload),
        ]
        # Block RAM answers late in its cycle, so the byte waits for the next one.
        valid, payload = Signal(), Signal(BYTE_BITS)
        m.d.comb += [byte.valid.eq(valid), byte.payload.eq(payload), waiting.r_en.eq(~valid | byte.ready)]
        with m.If(waiting.r_en):
            m.d.sync += [valid.eq(waiting.r_rdy), payload.eq(waiting.r_data)]

    def _execute(
        self,
        m: Module,
        request: RequestHolder,
        access: MemoryAccess,
        registers: RegisterAccess,
        answer: AnswerSender,
        *,
        identity_at: int,
    ) -> None:
        header = request.header
        op, status, tag = Signal(OP_BITS), Signal(LinkStatus), Signal(TAG_BITS)
        # The register write last executed, which is not to be executed again.
        last_tag, last_status, has_last = Signal(TAG_BITS), Signal(LinkStatus), Signal()
        again, writes_memory, writes_register = Signal(), Signal(), Signal()
        m.d.comb += [
            access.writing.eq(writes_memory),
            access.address.eq(header.address),
            access.beats.eq(header.length >> clog2(self.config.bus_bytes)),
            registers.writing.eq(writes_register),
            registers.address.eq(header.address),
            registers.value.eq(request.value),
            answer.header.eq(Cat(op, Value.cast(status), Const(0, STATUS_BITS - len(Value.cast(status))), tag)),
        ]
        m.d.sync += [
            again.eq(has_last & (last_tag == header.tag)),
            self.activity.eq(answer.start),
            self.damaged.eq(answer.start & (status == LinkStatus.DAMAGED)),
        ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [
                    op.eq(header.op),
                    tag.eq(header.tag),
                    writes_memory.eq(header.op == LinkOp.WRITE_MEMORY),
                    writes_register.eq(header.op == LinkOp.WRITE_REGISTER),
                    answer.length.eq(0),
                    answer.first.eq(0),
                ]
                with m.If(request.present):
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.sync += status.eq(LinkStatus.OK)
                m.next = "ANSWER"
                with m.If(request.verdict == Verdict.DAMAGED):
                    m.d.sync += [op.eq(0), tag.eq(0), status.eq(LinkStatus.DAMAGED)]
                with m.Elif(request.verdict == Verdict.MALFORMED):
                    m.d.sync += status.eq(LinkStatus.MALFORMED)
                with m.Else():
                    with m.Switch(op):
                        with m.Case(LinkOp.IDENTIFY):
                            m.d.sync += [
                                has_last.eq(0),
                                answer.first.eq(identity_at),
                                answer.length.eq(Identity.FORMAT.size),
                            ]
                        with m.Case(LinkOp.READ_MEMORY, LinkOp.WRITE_MEMORY):
                            m.d.comb += access.start.eq(1)
                            m.next = "MEMORY"
                        with m.Case(LinkOp.READ_REGISTER):
                            m.d.comb += registers.start.eq(1)
                            m.next = "REGISTER"
                        with m.Case(LinkOp.WRITE_REGISTER):
                            with m.If(again):
                                m.d.sync += status.eq(last_status)
                            with m.Else():
                                m.d.comb += registers.start.eq(1)
                                m.next = "REGISTER"
            with m.State("MEMORY"):
                with m.If(access.done):
                    with m.If(access.error):
                        m.d.sync += status.eq(LinkStatus.REFUSED)
                    with m.Elif(~access.writing):
                        m.d.sync += answer.length.eq(header.length)
                    m.next = "ANSWER"
            with m.State("REGISTER"):
                with m.If(registers.done):
                    with m.If(registers.error):
                        m.d.sync += status.eq(LinkStatus.REFUSED)
                    with m.Elif(~registers.writing):
                        m.d.sync += answer.length.eq(REGISTER_BYTES)
                    with m.If(registers.writing):
                        m.d.sync += [has_last.eq(1), last_tag.eq(header.tag)]
                        m.d.sync += last_status.eq(Mux(registers.error, LinkStatus.REFUSED, LinkStatus.OK))
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += [answer.start.eq(1), request.release.eq(1)]
                m.next = "SENDING"
            with m.State("SENDING"):
                with m.If(answer.done):
                    m.next = "IDLE"
