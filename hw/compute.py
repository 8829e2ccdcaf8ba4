"""The compute unit: sequencer, operand fetch, array, ALU and the accumulators' read-modify-write pipeline.

A slot passes these stages, a cycle each, and nothing stalls on the way::

    0           the sequencer gives the slot; the micro-op buffer is read
    1           micro-op + offset = indices
    2           the input and weight buffers are read
    3           the operands arrive; the array starts
    EXECUTE     the array's sums arrive; acc[dst] (read READ_LATENCY earlier) is updated
    EXECUTE + 1 the result is written

A write is seen by reads that begin the cycle after it. So a slot must be handed the results of the `HISTORY` slots
before it: they are kept, and forwarded by comparing indices a stage early.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import ACC_BITS, INP_BITS, Config
from dovetail.isa.instructions import AluSource, uop_fields
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .alu import alu_lane
from .array import GemmArray
from .interfaces import BufferRead, BufferWrite, TokenGive, TokenTake, dispatched
from .sequencer import Sequencer, Slot

INDEX_STAGE = 2
"""The stage in which a slot's indices are known and the operand buffers are read."""
OPERAND_STAGE = INDEX_STAGE + 1
READ_LATENCY = 2
"""Stages from giving the accumulators' index to executing: the memory, and a register behind it."""
HISTORY = READ_LATENCY + 1
"""Results that are younger than what a read can see."""


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
    idle: Out(1)
        No slot in the pipeline.
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
        execute = OPERAND_STAGE + array.LATENCY

        # slots[k] is the slot in stage k; its indices are there from INDEX_STAGE on.
        slots: dict[int, data.View] = {0: sequencer.slot}
        for stage in range(1, execute + 2):
            slots[stage] = Signal(Slot, name=f"slot_{stage}")
            m.d.sync += slots[stage].eq(slots[stage - 1])

        dst, src, wgt = self._indices(m, sequencer, slots)
        dsts = {INDEX_STAGE: dst}
        for stage in range(INDEX_STAGE + 1, execute + 2):
            dsts[stage] = Signal(config.acc_index_bits, name=f"dst_{stage}")
            m.d.sync += dsts[stage].eq(dsts[stage - 1])

        def same(younger: int, older: int) -> Value:
            """The slot in stage `older` writes the accumulator that the slot in stage `younger` touches."""
            writes = slots[older].valid & ~slots[older].fetch_source
            return slots[younger].valid & writes & (dsts[younger] == dsts[older])

        # Operands.
        at_index = slots[INDEX_STAGE]
        from_inp = ~at_index.gemm & (at_index.source == AluSource.INP)
        m.d.comb += [
            self.inp_read.en.eq(at_index.valid & (at_index.gemm | from_inp)),
            self.inp_read.index.eq(src),
            self.wgt_read.en.eq(at_index.valid & at_index.gemm),
            self.wgt_read.index.eq(wgt),
            array.en.eq(slots[OPERAND_STAGE].valid & slots[OPERAND_STAGE].gemm),
            array.inp.eq(self.inp_read.data),
            array.wgt.eq(self.wgt_read.data),
        ]
        vector = self.inp_read.data
        for stage in range(OPERAND_STAGE, execute):
            held = Signal(config.inp_bytes * 8, name=f"vector_{stage + 1}")
            with m.If(slots[stage].valid & ~slots[stage].gemm):
                m.d.sync += held.eq(vector)
            vector = held

        # The accumulator as it was READ_LATENCY ago, and the results since then that it lacks.
        reads = execute - READ_LATENCY
        arrives = Signal()
        value = Signal(config.acc_bytes * 8)
        m.d.comb += [
            self.acc_read.en.eq(slots[reads].valid & ~slots[reads].overwrite & ~same(reads, reads + 1)),
            self.acc_read.index.eq(dsts[reads]),
        ]
        m.d.sync += arrives.eq(self.acc_read.en)
        with m.If(arrives):
            m.d.sync += value.eq(self.acc_read.data)

        history = [Signal(config.acc_bytes * 8, name=f"history_{age}") for age in range(1, HISTORY + 1)]
        history_dst = [dsts[execute + 1]]
        history_valid = [slots[execute + 1].valid & ~slots[execute + 1].fetch_source]
        for age in range(2, HISTORY):
            older_dst, older_valid = Signal.like(dst, name=f"history_dst_{age}"), Signal(name=f"history_valid_{age}")
            m.d.sync += [older_dst.eq(history_dst[-1]), older_valid.eq(history_valid[-1])]
            history_dst.append(older_dst)
            history_valid.append(older_valid)
        forward = Signal(HISTORY)
        before = execute - 1
        matches = [same(before, execute)]
        matches += [
            slots[before].valid & valid & (dsts[before] == index)
            for index, valid in zip(history_dst, history_valid, strict=True)
        ]
        m.d.sync += forward.eq(Cat(matches))

        now = slots[execute]
        current: Value = value
        for age in reversed(range(HISTORY)):
            current = Mux(forward[age], history[age], current)
        source = Signal(config.acc_bytes * 8)
        with m.If(now.valid & now.fetch_source):
            m.d.sync += source.eq(current)

        result = [self._lane(m, place, now, current, array, vector, source) for place in range(self._lanes)]
        with m.If(now.valid & ~now.fetch_source):
            m.d.sync += history[0].eq(Cat(result))
        for age in range(1, HISTORY):
            with m.If(history_valid[age - 1]):
                m.d.sync += history[age].eq(history[age - 1])

        written = slots[execute + 1]
        rewritten = forward[0] & now.valid & ~now.fetch_source
        m.d.comb += [
            self.acc_write.en.eq(history_valid[0] & ~rewritten),
            self.acc_write.index.eq(dsts[execute + 1]),
            self.acc_write.data.eq(history[0]),
            self.to_load.reserve.eq(sequencer.to_load.reserve),
            self.to_store.reserve.eq(sequencer.to_store.reserve),
            sequencer.to_load.room.eq(self.to_load.room),
            sequencer.to_store.room.eq(self.to_store.room),
            self.to_load.push.eq(written.push_load),
            self.to_store.push.eq(written.push_store),
            self.idle.eq(~Cat((slots[k].valid | slots[k].push_load | slots[k].push_store) for k in slots).any()),
            self.gemm_slot.eq(slots[0].valid & slots[0].gemm),
            self.alu_slot.eq(slots[0].valid & ~slots[0].gemm),
            self.activity.eq(sequencer.activity),
            self.index.eq(sequencer.index),
        ]
        return m

    @property
    def _lanes(self) -> int:
        return self.config.batch * self.config.block_out

    def _indices(self, m: Module, sequencer: Sequencer, slots: dict[int, data.View]) -> tuple[Signal, Signal, Signal]:
        """Read the micro-op of the slot in stage 0; give the slot's indices in `INDEX_STAGE`."""
        m.d.comb += [self.uop_read.en.eq(slots[0].valid), self.uop_read.index.eq(sequencer.uop)]
        offset = Signal.like(sequencer.offset)
        m.d.sync += offset.eq(sequencer.offset)
        indices, lsb = [], 0
        for name, width in uop_fields(self.config).items():
            index = Signal(width, name=name)
            with m.If(slots[1].valid):
                m.d.sync += index.eq(self.uop_read.data[lsb : lsb + width] + offset[name])
                if name == "dst":
                    from_source = self.uop_read.data[self.config.acc_index_bits :][: self.config.src_index_bits]
                    with m.If(slots[1].fetch_source):
                        m.d.sync += index.eq(from_source + offset.src)
            indices.append(index)
            lsb += width
        return indices[0], indices[1], indices[2]

    def _lane(
        self, m: Module, place: int, now: data.View, current: Value, array: GemmArray, vector: Value, source: Value
    ) -> Value:
        """The new value of one accumulator element."""
        config = self.config
        b, o = divmod(place, config.block_out)
        old = current.word_select(place, ACC_BITS).as_signed()
        element: Value = Const(0)
        if o < config.block_in:
            element = vector.word_select(b * config.block_in + o, INP_BITS).as_signed()
        operand = Signal(signed(ACC_BITS), name=f"operand_{place}")
        with m.Switch(now.source):
            with m.Case(AluSource.IMM):
                m.d.comb += operand.eq(now.imm.as_signed())
            with m.Case(AluSource.INP):
                m.d.comb += operand.eq(element)
            with m.Default():
                m.d.comb += operand.eq(source.word_select(place, ACC_BITS))
        computed = alu_lane(m, now.op, old, operand, name=f"alu_{place}")
        total = array.sums.word_select(place, array.sum_bits).as_signed()
        result = Signal(signed(ACC_BITS), name=f"result_{place}")
        m.d.comb += result.eq(Mux(now.gemm, Mux(now.overwrite, 0, old) + total, computed))
        return result
