"""The compute unit: sequencer, operand fetch, array, ALU and the accumulators' read-modify-write pipeline.

A slot passes these stages, a cycle each, and nothing stalls on the way::

    0           the sequencer gives the slot; the micro-op buffer is read
    1           micro-op + offset = indices
    2           the input and weight buffers are read
    3           the operands arrive; the array starts
    EXECUTE - 1 the array's sums arrive, or the ALU's operand is chosen; acc[dst] (read a stage earlier) arrives, or is
                taken from results that were not yet written
    EXECUTE     acc[dst], which may be the result of the slot just before, is updated
    EXECUTE + 1 the result is written

What a stage gives is kept for the next, without asking whether a slot is there: enables would reach all lanes late.

A write is seen by reads that begin the cycle after it. So a slot must be handed the results of the three slots before
it: two are kept, and the third is taken on its way to the memory. Indices are compared a stage before that.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import ACC_BITS, INP_BITS, Config
from dovetail.isa.instructions import IMM_BITS, AluSource, uop_fields
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .alu import LaneControl, alu_lane, decode
from .array import GemmArray
from .interfaces import BufferRead, BufferWrite, TokenGive, TokenTake, dispatched
from .products import register
from .sequencer import Sequencer, Slot

INDEX_STAGE = 2
"""The stage in which a slot's indices are known and the operand buffers are read."""
OPERAND_STAGE = INDEX_STAGE + 1
READ_LATENCY = 2
"""Stages from giving the accumulators' index to executing: the memory, and a register behind it."""


class ComputeUnit(wiring.Component):
    """Executes GEMM, ALU and SYNC, a slot a cycle.

    Members
    -------
    instructions: In(stream)
    from_load, from_store: Out(TokenTake)
    to_load, to_store: Out(TokenGive)
    uop_read, inp_read, wgt_read, acc_read: Out(BufferRead)
        `acc_read` has priority over others that read the accumulators; it is used only when neither the slot overwrites
        nor the slot just before it has the same accumulator.
    acc_write: Out(BufferWrite)
        Likewise used only when the slot just behind it does not write the same accumulator.
    acc_writes_next: Out(1)
        `acc_write` is used in the next cycle.
    idle: Out(1)
        No instruction waits here, and no slot is in the pipeline.
    gemm_slot, alu_slot: Out(1)
        What this cycle's slot is, for the counters.
    activity: Out(Activity)
    index: Out
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        acc_bits = config.acc_bytes * 8
        super().__init__(
            {
                "instructions": In(stream.Signature(dispatched())),
                "from_load": Out(TokenTake()),
                "from_store": Out(TokenTake()),
                "to_load": Out(TokenGive()),
                "to_store": Out(TokenGive()),
                "uop_read": Out(BufferRead(index_bits=config.uop_index_bits, entry_bits=config.uop_bits)),
                "inp_read": Out(BufferRead(index_bits=config.inp_index_bits, entry_bits=config.inp_bytes * 8)),
                "wgt_read": Out(BufferRead(index_bits=config.wgt_index_bits, entry_bits=config.wgt_bytes * 8)),
                "acc_read": Out(BufferRead(index_bits=config.acc_index_bits, entry_bits=acc_bits)),
                "acc_write": Out(BufferWrite(index_bits=config.acc_index_bits, entry_bits=acc_bits, lanes=1)),
                "acc_writes_next": Out(1),
                "idle": Out(1),
                "gemm_slot": Out(1),
                "alu_slot": Out(1),
                "activity": Out(Activity),
                "index": Out(PROGRAM_INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.array = array = GemmArray(config)
        connect(m, flipped(self.instructions), sequencer.instructions)
        connect(m, sequencer.from_load, flipped(self.from_load))
        connect(m, sequencer.from_store, flipped(self.from_store))
        before = OPERAND_STAGE + array.LATENCY
        execute = before + 1

        # slots[k] is the slot in stage k; its indices are there from INDEX_STAGE on.
        slots: dict[int, data.View] = {0: sequencer.slot}
        for stage in range(1, execute + 2):
            slots[stage] = Signal(Slot, name=f"slot_{stage}")
            m.d.sync += slots[stage].eq(slots[stage - 1])

        dst, src, wgt = self._indices(m, sequencer, slots)
        dsts = {INDEX_STAGE: dst}
        for stage in range(INDEX_STAGE + 1, execute + 2):
            dsts[stage] = Signal(config.acc_index_bits, name=f"dst_{stage}", reset_less=True)
            m.d.sync += dsts[stage].eq(dsts[stage - 1])

        def writes(stage: int) -> Value:
            return slots[stage].valid & ~slots[stage].fetch_source

        def same(younger: int, older: int) -> Value:
            """The slot in stage `older` writes the accumulator that the slot in stage `younger` touches."""
            return slots[younger].valid & writes(older) & (dsts[younger] == dsts[older])

        # Operands.
        at_index = slots[INDEX_STAGE]
        from_inp = ~at_index.gemm & (at_index.source == AluSource.INP)
        m.d.comb += [
            self.inp_read.en.eq(at_index.valid & (at_index.gemm | from_inp)),
            self.inp_read.index.eq(src),
            self.wgt_read.en.eq(at_index.valid & at_index.gemm),
            self.wgt_read.index.eq(wgt),
            array.inp.eq(self.inp_read.data),
            array.wgt.eq(self.wgt_read.data),
        ]
        gathers = before - 1
        vector = self.inp_read.data
        for stage in range(OPERAND_STAGE, gathers):
            vector = register(m, vector, f"vector_{stage + 1}")
        operand = self._operand(m, slots[gathers], vector)
        control = Signal(LaneControl, reset_less=True)
        takes_sums, from_acc, fetches = (Signal(reset_less=True) for _ in range(3))
        m.d.sync += [
            takes_sums.eq(slots[gathers].gemm),
            from_acc.eq(slots[gathers].source == AluSource.ACC),
            control.eq(decode(m, slots[before].gemm, slots[before].overwrite, slots[before].op)),
            fetches.eq(slots[before].valid & slots[before].fetch_source),
        ]

        # The accumulator as it was READ_LATENCY ago, or the younger result that it lacks but for the youngest.
        reads = execute - READ_LATENCY
        m.d.comb += self.acc_read.index.eq(dsts[reads])
        early = reads - 1
        asks = max(INDEX_STAGE, early - 1)  # an array of a single stage leaves no time before `early`
        asked: Value = slots[asks].valid & ~slots[asks].overwrite & ~same(asks, asks + 1)
        if asks < early:
            will_read = Signal()
            m.d.sync += will_read.eq(asked)
            asked = will_read
        m.d.sync += self.acc_read.en.eq(asked)
        results = [Signal(config.acc_bytes * 8, name=f"result_{age}", reset_less=True) for age in range(READ_LATENCY)]
        # Each is compared a stage early, so that registers of their own reach the lanes.
        follows, forward, newer, older = Signal(), Signal(), Signal(), Signal()
        will_be_newer, will_be_older = Signal(), Signal()
        m.d.sync += [
            follows.eq(same(before - 1, before)),  # then same(before, execute)
            forward.eq(follows),
            will_be_newer.eq(same(early, before)),  # then same(reads, execute)
            newer.eq(will_be_newer),
            will_be_older.eq(same(early, execute)),
            older.eq(will_be_older),
        ]
        held = Signal(config.acc_bytes * 8, reset_less=True)
        m.d.sync += held.eq(Mux(newer, results[0], Mux(older, results[1], self.acc_read.data)))

        current = Signal.like(held)
        source = Signal.like(held, reset_less=True)
        m.d.comb += current.eq(Mux(forward, results[0], held))
        with m.If(fetches):
            m.d.sync += source.eq(current)

        lanes = []
        for place in range(config.batch * config.block_out):
            x, alone, kept = (v.word_select(place, ACC_BITS).as_signed() for v in (current, held, source))
            total = array.sums.word_select(place, array.sum_bits).as_signed()
            other = Mux(from_acc, Mux(fetches, x, kept), operand.word_select(place, IMM_BITS).as_signed())
            y = Signal(signed(ACC_BITS), name=f"y_{place}", reset_less=True)
            m.d.sync += y.eq(Mux(takes_sums, total, other))
            lanes.append(alu_lane(platform, m, control, x, alone, y, name=f"lane_{place}"))
        m.d.sync += [results[0].eq(Cat(lanes)), results[1].eq(results[0])]

        written = slots[execute + 1]
        m.d.sync += [
            self.acc_writes_next.eq(writes(before) & ~(writes(before - 1) & same(before - 1, before))),
            self.acc_write.en.eq(self.acc_writes_next),
        ]
        m.d.comb += [
            self.acc_write.index.eq(dsts[execute + 1]),
            self.acc_write.data.eq(results[0]),
            self.to_load.reserve.eq(sequencer.to_load.reserve),
            self.to_store.reserve.eq(sequencer.to_store.reserve),
            sequencer.to_load.room.eq(self.to_load.room),
            sequencer.to_store.room.eq(self.to_store.room),
            self.to_load.push.eq(written.push_load),
            self.to_store.push.eq(written.push_store),
            self.idle.eq(
                sequencer.idle & ~Cat((slots[k].valid | slots[k].push_load | slots[k].push_store) for k in slots).any()
            ),
            self.gemm_slot.eq(slots[0].valid & slots[0].gemm),
            self.alu_slot.eq(slots[0].valid & ~slots[0].gemm),
            self.activity.eq(sequencer.activity),
            self.index.eq(sequencer.index),
        ]
        return m

    def _indices(self, m: Module, sequencer: Sequencer, slots: dict[int, data.View]) -> tuple[Signal, Signal, Signal]:
        """Read the micro-op of the slot in stage 0; give the slot's indices in `INDEX_STAGE`."""
        m.d.comb += [self.uop_read.en.eq(slots[0].valid), self.uop_read.index.eq(sequencer.uop)]
        offset = Signal.like(sequencer.offset, reset_less=True)
        m.d.sync += offset.eq(sequencer.offset)
        indices, lsb = [], 0
        for name, width in uop_fields(self.config).items():
            index = Signal(width, name=name, reset_less=True)
            with m.If(slots[1].valid):
                m.d.sync += index.eq(self.uop_read.data[lsb : lsb + width] + offset[name])
                if name == "dst":
                    from_source = self.uop_read.data[self.config.acc_index_bits :][: self.config.src_index_bits]
                    with m.If(slots[1].fetch_source):
                        m.d.sync += index.eq(from_source + offset.src)
            indices.append(index)
            lsb += width
        return indices[0], indices[1], indices[2]

    def _operand(self, m: Module, slot: data.View, vector: Value) -> Value:
        """The ALU's operand of every lane, `IMM_BITS` each, a cycle later: the immediate, or an element of `vector`."""
        config = self.config
        operands = []
        for place in range(config.batch * config.block_out):
            b, o = divmod(place, config.block_out)
            element: Value = Const(0, INP_BITS)
            if o < config.block_in:
                element = vector.word_select(b * config.block_in + o, INP_BITS)
            extended = Cat(element, element[-1].replicate(IMM_BITS - INP_BITS))
            operands.append(Mux(slot.source == AluSource.INP, extended, slot.imm))
        return register(m, Cat(operands), "operand")
