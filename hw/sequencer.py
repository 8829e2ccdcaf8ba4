"""Walks the loops of GEMM and ALU instructions: a slot a cycle, also from one instruction to the next."""

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import Config
from dovetail.isa.instructions import IMM_BITS, LOOP_BITS, Alu, AluSource, Gemm, Opcode
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .decode import Fields
from .interfaces import TokenGive, TokenTake, dispatched


class Slot(data.Struct):
    """What the pipeline is told about one slot, whatever the configuration. All zero is an empty slot."""

    valid: unsigned(1)
    gemm: unsigned(1)
    """Multiply and accumulate; else, when valid, the ALU."""
    overwrite: unsigned(1)
    """Do not read the accumulator."""
    fetch_source: unsigned(1)
    """ALU: read the source accumulator for the slot that follows; write nothing."""
    op: unsigned(3)
    source: unsigned(2)
    imm: unsigned(IMM_BITS)
    push_load: unsigned(1)
    """The instruction's last slot: push a token to load once the slot is written."""
    push_store: unsigned(1)


def offsets(config: Config) -> data.StructLayout:
    """What the loops add to the indices of a micro-op."""
    return data.StructLayout({"dst": config.acc_index_bits, "src": config.src_index_bits, "wgt": config.wgt_index_bits})


class Sequencer(wiring.Component):
    """Turns compute instructions into pipeline slots.

    The pipeline behind it never stalls, so a slot is given every cycle in which there is one. An instruction starts
    when the tokens that it pops are there and the queues that it will push to have room.

    Members
    -------
    instructions: In(stream)
        Dispatched GEMM, ALU and SYNC, in order.
    from_load, from_store: Out(TokenTake)
    to_load, to_store: Out(TokenGive)
        Only `room` and `reserve` are used here; the end of the pipeline pushes.
    slot: Out(Slot)
        The slot of this cycle, with `uop` and `offset`.
    uop: Out
        Index of the slot's micro-op.
    offset: Out
        What the loops add to the micro-op's indices.
    activity: Out(Activity)
    index: Out
        The instruction at work, or the one that waits.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "instructions": In(stream.Signature(dispatched())),
                "from_load": Out(TokenTake()),
                "from_store": Out(TokenTake()),
                "to_load": Out(TokenGive()),
                "to_store": Out(TokenGive()),
                "slot": Out(Slot),
                "uop": Out(config.uop_index_bits),
                "offset": Out(offsets(config)),
                "activity": Out(Activity),
                "index": Out(PROGRAM_INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        word = self.instructions.payload.word
        gemm, alu = Fields(word, Gemm, config), Fields(word, Alu, config)
        is_gemm = gemm.opcode == Opcode.GEMM
        is_work = is_gemm | (gemm.opcode == Opcode.ALU)

        # What is kept of the instruction at work.
        kept = Signal(Slot)
        two_slots = Signal()
        uop_begin = Signal(config.uop_index_bits)
        last_uop = Signal(config.uop_index_bits + 1)
        last_outer, last_inner = Signal(LOOP_BITS), Signal(LOOP_BITS)
        outer_step, inner_step = Signal(offsets(config)), Signal(offsets(config))

        # Where it stands. `outer_base` is the offset at the start of the outer trip.
        active, second = Signal(), Signal()
        outer, inner = Signal(LOOP_BITS), Signal(LOOP_BITS)
        uop_number = Signal(config.uop_index_bits + 1)
        outer_base = Signal(offsets(config))

        at_last_uop, at_last_inner, at_last = Signal(), Signal(), Signal()
        half = Signal()
        m.d.comb += [
            half.eq(two_slots & ~second),
            at_last_uop.eq(uop_number == last_uop),
            at_last_inner.eq(inner == last_inner),
            at_last.eq(at_last_uop & at_last_inner & (outer == last_outer) & ~half),
        ]

        head = self.instructions
        start = Signal()
        started = Signal.like(self.index)
        load_waits = (gemm.pop_prev & ~self.from_load.available) | (gemm.push_prev & ~self.to_load.room)
        store_waits = (gemm.pop_next & ~self.from_store.available) | (gemm.push_next & ~self.to_store.room)
        m.d.comb += [
            start.eq(head.valid & (~active | at_last) & ~load_waits & ~store_waits),
            head.ready.eq(start),
            self.from_load.pop.eq(start & gemm.pop_prev),
            self.from_store.pop.eq(start & gemm.pop_next),
            self.to_load.reserve.eq(start & gemm.push_prev),
            self.to_store.reserve.eq(start & gemm.push_next),
        ]

        with m.If(active):
            m.d.sync += second.eq(half)
            with m.If(~half):
                m.d.sync += uop_number.eq(uop_number + 1)
                m.d.sync += self.uop.eq(self.uop + 1)
                with m.If(at_last_uop):
                    m.d.sync += [uop_number.eq(0), self.uop.eq(uop_begin), inner.eq(inner + 1)]
                    m.d.sync += _add(self.offset, self.offset, inner_step)
                    with m.If(at_last_inner):
                        m.d.sync += [inner.eq(0), outer.eq(outer + 1)]
                        m.d.sync += _add(outer_base, outer_base, outer_step)
                        m.d.sync += _add(self.offset, outer_base, outer_step)
            with m.If(at_last):
                m.d.sync += active.eq(0)

        with m.If(start):
            m.d.sync += [
                active.eq(1),
                started.eq(head.payload.index),
                kept.valid.eq(is_work),
                kept.gemm.eq(is_gemm),
                kept.overwrite.eq(gemm.overwrite),
                kept.op.eq(alu.op),
                kept.source.eq(alu.source),
                kept.imm.eq(alu.imm),
                kept.push_load.eq(gemm.push_prev),
                kept.push_store.eq(gemm.push_next),
                two_slots.eq(~is_gemm & is_work & (alu.source == AluSource.ACC)),
                second.eq(0),
                outer.eq(0),
                inner.eq(0),
                uop_number.eq(0),
                outer_base.eq(0),
                self.offset.eq(0),
            ]
            for kind, chosen in ((Gemm, is_gemm), (Alu, ~is_gemm)):
                fields = Fields(word, kind, config)
                with m.If(chosen & is_work):
                    m.d.sync += [
                        uop_begin.eq(fields.uop_begin),
                        self.uop.eq(fields.uop_begin),
                        last_uop.eq(fields.uop_count - 1),
                        last_outer.eq(fields.outer - 1),
                        last_inner.eq(fields.inner - 1),
                        outer_step.dst.eq(fields.dst_outer),
                        inner_step.dst.eq(fields.dst_inner),
                        outer_step.src.eq(fields.src_outer),
                        inner_step.src.eq(fields.src_inner),
                        outer_step.wgt.eq(gemm.wgt_outer if kind is Gemm else 0),
                        inner_step.wgt.eq(gemm.wgt_inner if kind is Gemm else 0),
                    ]
            with m.If(~is_work):
                m.d.sync += [last_uop.eq(0), last_outer.eq(0), last_inner.eq(0)]

        m.d.comb += [
            self.slot.eq(kept),
            self.slot.valid.eq(active & kept.valid),
            self.slot.overwrite.eq(kept.gemm & kept.overwrite & (uop_number == 0)),
            self.slot.fetch_source.eq(half),
            self.slot.push_load.eq(active & at_last & kept.push_load),
            self.slot.push_store.eq(active & at_last & kept.push_store),
        ]
        waiting = head.valid & ~active
        m.d.comb += self.index.eq(Mux(waiting, head.payload.index, started))
        with m.If(self.slot.valid):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(waiting & load_waits):
            m.d.comb += self.activity.eq(Activity.WAIT_PREV)
        with m.Elif(waiting & store_waits):
            m.d.comb += self.activity.eq(Activity.WAIT_NEXT)
        return m


def _add(target: data.View, left: data.View, right: data.View) -> list[Value]:
    return [target[name].eq(left[name] + right[name]) for name in ("dst", "src", "wgt")]
