"""The store unit: accumulators to DRAM, finished on the way."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import BYTE_BITS, DRAM_ADDRESS_BITS, Config, clog2
from dovetail.isa.instructions import Format, Opcode, Param, Post, Store, store_bytes
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .bursts import row_bits
from .decode import Fields
from .interfaces import ReadClient, TokenGive, TokenTake, WriteClient, dispatched
from .output import OutputPipeline, post_fields
from .store_groups import StoreGroups
from .store_reads import StoreReads
from .store_records import StoreRecords
from .store_vectors import VectorReader
from .store_writes import StoreWrites, slot

TAKEN = (Opcode.STORE, Opcode.PARAM, Opcode.POST, Opcode.SYNC)
"""What the unit executes."""


class StoreUnit(wiring.Component):
    """Executes STORE, PARAM, POST, and the SYNCs of its unit, in order.

    A STORE begins as soon as all vectors of the one before are in output processing; its writes may be answered long
    after. PARAM, STOREs with a residual, and instructions other than STORE that give a token wait until every earlier
    STORE is answered; POST, and STOREs in raw format, until output processing is empty. What PARAM sets is not defined
    before the first one.

    Members
    -------
    instructions: In(stream of `dispatched`)
    from_compute: Out(TokenTake)
    to_compute: Out(TokenGive)
        A STORE gives its token when its last write has been answered.
    read: Out(ReadClient)
    write: Out(WriteClient)
    acc_request, acc_index, acc_grant, acc_data:
        Read port of the accumulators, see `VectorReader`.
    idle: Out(1)
        No instruction waits or is being executed, and every write has been answered.
    activity: Out(Activity)
    index: Out
        The oldest instruction that is not complete; meaningless when `idle`.
    fault: Out(1)
        A transfer of instruction `fault_index` was answered with an error; it was a write if `fault_write`.
    fault_index: Out
    fault_write: Out(1)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "instructions": In(stream.Signature(dispatched())),
                "from_compute": Out(TokenTake()),
                "to_compute": Out(TokenGive()),
                "read": Out(ReadClient(config)),
                "write": Out(WriteClient(config)),
                "acc_request": Out(1),
                "acc_index": Out(config.acc_index_bits),
                "acc_grant": In(1),
                "acc_data": In(config.acc_bytes * BYTE_BITS),
                "idle": Out(1),
                "activity": Out(Activity),
                "index": Out(PROGRAM_INDEX_BITS),
                "fault": Out(1),
                "fault_index": Out(PROGRAM_INDEX_BITS),
                "fault_write": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.vectors = vectors = VectorReader(config)
        m.submodules.groups = groups = StoreGroups(config)
        m.submodules.pipeline = pipeline = OutputPipeline(config, tag=slot(config))
        m.submodules.records = records = StoreRecords(config)
        m.submodules.reads = reads = StoreReads(config)
        m.submodules.writes = writes = StoreWrites(config)
        connect(m, vectors.vector, groups.vector)
        connect(m, reads.read, flipped(self.read))
        connect(m, writes.write, flipped(self.write))

        begins, moved = Signal(), Signal()
        taken, taken_valid, ready, waits_token = self._take(m, begins)
        self._execute(m, taken, ready, begins, vectors, groups, pipeline, reads, writes, records)

        working = ready | ~writes.complete
        m.d.comb += [
            self.acc_request.eq(vectors.acc_request),
            self.acc_index.eq(vectors.acc_index),
            vectors.acc_grant.eq(self.acc_grant),
            vectors.acc_data.eq(self.acc_data),
            reads.row_end.eq(groups.row_end),
            writes.reserve.eq(groups.reserve),
            groups.room.eq(writes.room),
            pipeline.valid.eq(groups.group_valid),
            pipeline.acc.eq(groups.group),
            pipeline.record.eq(records.record),
            records.turn.eq(groups.group_valid),
            records.beat_valid.eq(reads.param),
            records.beat.eq(self.read.beat.payload.data),
            groups.residual_valid.eq(reads.group.valid),
            reads.group.ready.eq(groups.residual_take),
            pipeline.residual.eq(reads.group.payload),
            pipeline.with_residual.eq(groups.with_residual),
            pipeline.tag.eq(groups.slot),
            writes.group_valid.eq(pipeline.out_valid),
            writes.group.eq(pipeline.out),
            writes.group_slot.eq(pipeline.out_tag),
            self.idle.eq(~self.instructions.valid & ~taken_valid & writes.complete),
            self.index.eq(taken.index),
            self.fault.eq(reads.fault | writes.fault),
            self.fault_write.eq(writes.fault),
            self.fault_index.eq(Mux(writes.complete, taken.index, writes.index)),
        ]
        # The beats' register is far from the groups. Those that pass the pipeline are later still.
        beat, beat_slot = Signal.like(groups.beat, reset_less=True), Signal.like(groups.slot, reset_less=True)
        m.d.sync += [writes.beat_valid.eq(groups.beat_valid), beat.eq(groups.beat), beat_slot.eq(groups.slot)]
        m.d.comb += [writes.beat.eq(beat), writes.beat_slot.eq(beat_slot)]
        held = Signal.like(self.index)
        m.d.sync += held.eq(self.index)
        with m.If(~writes.complete):
            m.d.comb += self.index.eq(Mux(writes.index_valid, writes.index, held))

        m.d.sync += moved.eq(groups.moves | (self.write.beat.valid & self.write.beat.ready))
        with m.If(moved):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(self.acc_request & ~self.acc_grant & ~groups.vector.valid):
            m.d.comb += self.activity.eq(Activity.WAIT_HAZARD)
        with m.Elif(working):
            m.d.comb += self.activity.eq(Activity.WAIT_MEMORY)
        with m.Elif(waits_token):
            m.d.comb += self.activity.eq(Activity.WAIT_PREV)
        with m.Else():
            m.d.comb += self.activity.eq(Activity.IDLE)
        return m

    def _take(self, m: Module, begins: Signal) -> tuple[Signal, Signal, Signal, Signal]:
        """Take an instruction, then its tokens, until it `begins`.

        Returns the instruction, whether there is one, whether it has its tokens, and whether it waits for them. Nothing
        here depends on the queue's memory but what is registered at once.
        """
        taken = Signal(dispatched(), reset_less=True)
        taken_valid, ready, waits_token = Signal(), Signal(), Signal()
        fields = Fields(taken.word, Store, self.config)
        pops, pushes = fields.pop_prev, fields.push_prev
        wants, gets = Signal(), Signal()
        m.d.comb += [
            wants.eq(taken_valid & ~ready),
            waits_token.eq(wants & ((pops & ~self.from_compute.available) | (pushes & ~self.to_compute.room))),
            gets.eq(wants & ~waits_token),
            self.instructions.ready.eq(~taken_valid),
            self.from_compute.pop.eq(gets & pops),
            self.to_compute.reserve.eq(gets & pushes),
        ]
        with m.If(self.instructions.ready):
            m.d.sync += [taken_valid.eq(self.instructions.valid), taken.eq(self.instructions.payload)]
        with m.If(gets):
            m.d.sync += ready.eq(1)
        with m.If(begins):
            m.d.sync += [taken_valid.eq(0), ready.eq(0)]
        return taken, taken_valid, ready, waits_token

    def _execute(
        self,
        m: Module,
        taken: Signal,
        ready: Signal,
        begins: Signal,
        vectors: VectorReader,
        groups: StoreGroups,
        pipeline: OutputPipeline,
        reads: StoreReads,
        writes: StoreWrites,
        records: StoreRecords,
    ) -> None:
        """Begin, or carry out, the instruction taken, as soon as it is `ready` and what it waits for is so."""
        config = self.config
        store = Fields(taken.word, Store, config)
        param = Fields(taken.word, Param, config)
        post = Signal(post_fields(config))
        gives = store.push_prev

        # While an instruction waits for its tokens, what can be told of it is worked out.
        kinds = {opcode: Signal(name=f"is_{opcode.name.lower()}") for opcode in TAKEN}
        with_residual, is_raw = Signal(), Signal()
        row_bytes = Signal(row_bits(config), reset_less=True)
        pitch = Signal(DRAM_ADDRESS_BITS, reset_less=True)
        residual_addr = Signal(DRAM_ADDRESS_BITS, reset_less=True)
        shift = Mux(
            store.format == Format.RAW,
            clog2(store_bytes(config, Format.RAW)),
            clog2(store_bytes(config, Format.OUT)),
        )
        m.d.sync += [kind.eq(store.opcode == opcode) for opcode, kind in kinds.items()]
        m.d.sync += [
            with_residual.eq((store.opcode == Opcode.STORE) & store.residual),
            is_raw.eq(store.format == Format.RAW),
            row_bytes.eq(store.cols << shift),
            pitch.eq(store.stride << shift),
            residual_addr.eq(store.dram + post.residual_offset),
        ]

        pushes_now, reading = Signal(), Signal()

        empty = ~groups.busy & ~pipeline.busy
        starts_store = Signal()
        m.d.comb += [
            starts_store.eq(
                ready
                & kinds[Opcode.STORE]
                & ~groups.busy
                & writes.block.ready
                & (~with_residual | (writes.complete & reads.block.ready))
                & (~is_raw | empty)
            ),
            writes.block.valid.eq(starts_store),
            writes.block.payload.index.eq(taken.index),
            writes.block.payload.push.eq(gives),
            writes.block.payload.block.addr.eq(store.dram),
            writes.block.payload.block.rows.eq(store.rows),
            writes.block.payload.block.row_bytes.eq(row_bytes),
            writes.block.payload.block.pitch.eq(pitch),
            vectors.walk.valid.eq(starts_store),
            vectors.walk.payload.first.eq(store.sram),
            vectors.walk.payload.stride.eq(store.sram_stride),
            vectors.walk.payload.rows.eq(store.rows),
            vectors.walk.payload.cols.eq(store.cols),
            groups.start.eq(starts_store),
            groups.job.is_raw.eq(is_raw),
            groups.job.with_residual.eq(with_residual),
            groups.job.place.eq(store.dram),
            groups.job.pitch.eq(pitch),
            reads.block.valid.eq(starts_store & with_residual),
            reads.block.payload.block.addr.eq(residual_addr),
            reads.block.payload.block.rows.eq(store.rows),
            reads.block.payload.block.row_bytes.eq(row_bytes),
            reads.block.payload.block.pitch.eq(pitch),
            reads.block.payload.is_param.eq(0),
            begins.eq(starts_store),
            pipeline.post.eq(post),
            self.to_compute.push.eq(writes.push | pushes_now),
        ]

        with m.If(kinds[Opcode.PARAM]):
            m.d.comb += [
                reads.block.payload.block.addr.eq(param.dram),
                reads.block.payload.block.rows.eq(1),
                reads.block.payload.block.row_bytes.eq(config.param_bytes),
                reads.block.payload.is_param.eq(1),
            ]
        with m.If(records.last):
            m.d.sync += reading.eq(0)
        with m.If(ready):
            with m.If(kinds[Opcode.PARAM]):
                with m.If(writes.complete & ~reading):
                    m.d.comb += reads.block.valid.eq(1)
                    m.d.sync += reading.eq(reads.block.ready)
                m.d.comb += [begins.eq(records.last), pushes_now.eq(records.last & gives)]
            with m.If(kinds[Opcode.POST] & empty & (writes.complete | ~gives)):
                fields = Fields(taken.word, Post, config)
                m.d.comb += [begins.eq(1), pushes_now.eq(gives)]
                m.d.sync += [getattr(post, name).eq(getattr(fields, name)) for name in post.shape().members]
            with m.If(kinds[Opcode.SYNC] & (writes.complete | ~gives)):
                m.d.comb += [begins.eq(1), pushes_now.eq(gives)]
