"""Walks the loops of GEMM and ALU instructions: a slot a cycle, also from one instruction to the next."""

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import Config
from dovetail.isa.instructions import IMM_BITS, LOOP_BITS, Alu, AluOp, AluSource, Gemm, Opcode
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .decode import Fields
from .interfaces import TokenGive, TokenTake, dispatched
from .skid import SkidBuffer


class Slot(data.Struct):
    """What the pipeline is told about one slot, whatever the configuration. All zero is an empty slot."""

    valid: unsigned(1)
    gemm: unsigned(1)
    """Multiply and accumulate; else, when valid, the ALU."""
    overwrite: unsigned(1)
    """Do not read the accumulator."""
    fetch_source: unsigned(1)
    """ALU: read the source accumulator for the slot that follows; write nothing. It comes before a shift, too, whose
    accumulator must not be the result of the slot just before it."""
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
    idle: Out(1)
        No instruction waits here.
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
                "idle": Out(1),
                "activity": Out(Activity),
                "index": Out(PROGRAM_INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        # The instruction that comes next waits in registers, so that the queue's memory is on no long path.
        m.submodules.ahead = ahead = SkidBuffer(dispatched())
        connect(m, flipped(self.instructions), ahead.input)
        following, following_valid = ahead.output.payload, ahead.output.valid
        word = following.word
        gemm, alu = Fields(word, Gemm, config), Fields(word, Alu, config)
        is_gemm = gemm.opcode == Opcode.GEMM
        is_alu = gemm.opcode == Opcode.ALU
        is_work = is_gemm | is_alu
        shifts = (alu.op == AluOp.SHR) | (alu.op == AluOp.SHL)
        takes_two = is_alu & ((alu.source == AluSource.ACC) | shifts)

        # What is kept of the instruction at work.
        kept = Signal(Slot)
        two_slots = Signal()
        uop_begin = Signal(config.uop_index_bits, reset_less=True)
        uop_count = Signal(config.uop_index_bits + 1, reset_less=True)
        inner_count = Signal(LOOP_BITS, reset_less=True)
        outer_step, inner_step = (
            Signal(offsets(config), name=n, reset_less=True) for n in ("outer_step", "inner_step")
        )

        # Where it stands: trips left, this one among them. `outer_base` is the offset at the start of the outer trip.
        active = Signal()
        outer_left, inner_left, uops_left = Signal.like(inner_count), Signal.like(inner_count), Signal.like(uop_count)
        outer_base = Signal(offsets(config), reset_less=True)

        # Comparisons are made a cycle before they are used.
        one_uop, one_inner = Signal(), Signal()
        at_first_uop, at_last_uop, at_last_inner, at_last_outer = Signal(), Signal(), Signal(), Signal()
        half, at_last = Signal(), Signal()
        m.d.comb += at_last.eq(at_last_uop & at_last_inner & at_last_outer & ~half)

        start = Signal()
        started = Signal.like(self.index)
        load_waits = (gemm.pop_prev & ~self.from_load.available) | (gemm.push_prev & ~self.to_load.room)
        store_waits = (gemm.pop_next & ~self.from_store.available) | (gemm.push_next & ~self.to_store.room)
        m.d.comb += [
            start.eq(following_valid & (~active | at_last) & ~load_waits & ~store_waits),
            ahead.output.ready.eq(start),
            self.from_load.pop.eq(start & gemm.pop_prev),
            self.from_store.pop.eq(start & gemm.pop_next),
            self.to_load.reserve.eq(start & gemm.push_prev),
            self.to_store.reserve.eq(start & gemm.push_next),
        ]

        with m.If(active):
            m.d.sync += half.eq(two_slots & ~half)
            with m.If(~half):
                m.d.sync += [
                    uops_left.eq(uops_left - 1),
                    self.uop.eq(self.uop + 1),
                    at_first_uop.eq(at_last_uop),
                    at_last_uop.eq(uops_left == 2),
                ]
                with m.If(at_last_uop):
                    m.d.sync += [
                        uops_left.eq(uop_count),
                        self.uop.eq(uop_begin),
                        at_last_uop.eq(one_uop),
                        inner_left.eq(inner_left - 1),
                        at_last_inner.eq(inner_left == 2),
                    ]
                    m.d.sync += _add(self.offset, self.offset, inner_step)
                    with m.If(at_last_inner):
                        m.d.sync += [
                            inner_left.eq(inner_count),
                            at_last_inner.eq(one_inner),
                            outer_left.eq(outer_left - 1),
                            at_last_outer.eq(outer_left == 2),
                        ]
                        m.d.sync += _add(outer_base, outer_base, outer_step)
                        m.d.sync += _add(self.offset, outer_base, outer_step)
            with m.If(at_last):
                m.d.sync += active.eq(0)

        with m.If(start):
            m.d.sync += [
                active.eq(1),
                started.eq(following.index),
                kept.valid.eq(is_work),
                kept.gemm.eq(is_gemm),
                kept.overwrite.eq(gemm.overwrite),
                kept.op.eq(alu.op),
                kept.source.eq(alu.source),
                kept.imm.eq(alu.imm),
                kept.push_load.eq(gemm.push_prev),
                kept.push_store.eq(gemm.push_next),
                two_slots.eq(takes_two),
                half.eq(takes_two),
                at_first_uop.eq(1),
                outer_base.eq(0),
                self.offset.eq(0),
            ]
            for kind, chosen in ((Gemm, is_gemm), (Alu, ~is_gemm)):
                fields = Fields(word, kind, config)
                with m.If(chosen):
                    m.d.sync += [
                        uop_begin.eq(fields.uop_begin),
                        self.uop.eq(fields.uop_begin),
                        uop_count.eq(fields.uop_count),
                        uops_left.eq(fields.uop_count),
                        one_uop.eq(fields.uop_count == 1),
                        at_last_uop.eq((fields.uop_count == 1) | ~is_work),
                        inner_count.eq(fields.inner),
                        inner_left.eq(fields.inner),
                        one_inner.eq(fields.inner == 1),
                        at_last_inner.eq((fields.inner == 1) | ~is_work),
                        outer_left.eq(fields.outer),
                        at_last_outer.eq((fields.outer == 1) | ~is_work),
                        outer_step.dst.eq(fields.dst_outer),
                        inner_step.dst.eq(fields.dst_inner),
                        outer_step.src.eq(fields.src_outer),
                        inner_step.src.eq(fields.src_inner),
                        outer_step.wgt.eq(gemm.wgt_outer if kind is Gemm else 0),
                        inner_step.wgt.eq(gemm.wgt_inner if kind is Gemm else 0),
                    ]

        m.d.comb += [
            self.slot.eq(kept),
            self.slot.valid.eq(active & kept.valid),
            self.slot.overwrite.eq(kept.gemm & kept.overwrite & at_first_uop),
            self.slot.fetch_source.eq(half),
            self.slot.push_load.eq(active & at_last & kept.push_load),
            self.slot.push_store.eq(active & at_last & kept.push_store),
        ]
        waiting = following_valid & ~active
        m.d.comb += [
            self.idle.eq(~following_valid),
            self.index.eq(Mux(waiting, following.index, started)),
        ]
        with m.If(self.slot.valid):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(waiting & load_waits):
            m.d.comb += self.activity.eq(Activity.WAIT_PREV)
        with m.Elif(waiting & store_waits):
            m.d.comb += self.activity.eq(Activity.WAIT_NEXT)
        return m


def _add(target: data.View, left: data.View, right: data.View) -> list[Value]:
    return [target[name].eq(left[name] + right[name]) for name in ("dst", "src", "wgt")]
