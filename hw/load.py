"""The load unit: strided, padded blocks from DRAM to the on-chip buffers."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import BYTE_BITS, Config, clog2
from dovetail.isa.instructions import Buffer, Load, Opcode, buffer_depth, entry_bytes
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity

from .bursts import BurstSplitter
from .decode import Fields
from .interfaces import BufferWrite, ReadClient, TokenGive, TokenTake, dispatched, load_lanes
from .load_writer import LoadWriter, fill, run_bits, width_bits


class LoadUnit(wiring.Component):
    """Executes LOAD, and the SYNCs of its unit, in order.

    Two sides run apart. The request side takes an instruction when its tokens and a place for the token that it will
    give are there, and asks for the bursts of its block; it is up to ``max_bursts`` blocks ahead of the write side,
    `LoadWriter`, which lays data and padding into the buffers as the data arrives.

    Members
    -------
    instructions: In(stream of `dispatched`)
    from_compute: Out(TokenTake)
    to_compute: Out(TokenGive)
        A token is given in the cycle in which the last entry is written.
    read: Out(ReadClient)
    inp, wgt, acc, uop: Out(BufferWrite)
        Ports of the buffers.
    acc_grant: In(1)
        A write on `acc` takes place only in the cycle after one in which this is high; it is held until then.
    idle: Out(1)
        No instruction waits or is being executed.
    activity: Out(Activity)
    index: Out
        The oldest instruction that is not complete; meaningless when `idle`.
    fault: Out(1)
        Data of instruction `fault_index` came with an error.
    fault_index: Out
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        ports = {
            buffer.name.lower(): Out(
                BufferWrite(
                    index_bits=clog2(buffer_depth(config, buffer)),
                    entry_bits=entry_bytes(config, buffer) * BYTE_BITS,
                    lanes=load_lanes(config, entry_bytes(config, buffer)),
                )
            )
            for buffer in Buffer
        }
        super().__init__(
            {
                "instructions": In(stream.Signature(dispatched())),
                "from_compute": Out(TokenTake()),
                "to_compute": Out(TokenGive()),
                "read": Out(ReadClient(config)),
                **ports,
                "acc_grant": In(1),
                "idle": Out(1),
                "activity": Out(Activity),
                "index": Out(PROGRAM_INDEX_BITS),
                "fault": Out(1),
                "fault_index": Out(PROGRAM_INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.splitter = splitter = BurstSplitter(config)
        m.submodules.writer = writer = LoadWriter(config)
        layout = fill(config)
        m.submodules.fills = fills = SyncFIFOBuffered(width=layout.size, depth=config.max_bursts + 2)
        for buffer in Buffer:
            connect(m, getattr(writer, buffer.name.lower()), flipped(getattr(self, buffer.name.lower())))
        connect(m, flipped(self.read.beat), writer.beat)

        taken, taken_valid, prepared_index, prepared_valid = self._prepare(m, splitter, fills)

        m.d.comb += [
            self.read.request.valid.eq(splitter.burst.valid),
            self.read.request.payload.addr.eq(splitter.burst.payload.addr),
            self.read.request.payload.beats_minus_one.eq(splitter.burst.payload.beats_minus_one),
            splitter.burst.ready.eq(self.read.request.ready),
            writer.fill.valid.eq(fills.r_rdy),
            writer.fill.payload.eq(fills.r_data),
            fills.r_en.eq(writer.fill.ready),
            writer.acc_grant.eq(self.acc_grant),
            self.to_compute.push.eq(writer.push),
            self.fault.eq(writer.fault),
            self.fault_index.eq(writer.index),
        ]

        working = Signal()
        m.d.comb += [
            working.eq(taken_valid | prepared_valid | (fills.level != 0) | writer.busy),
            self.idle.eq(~working & ~self.instructions.valid),
        ]
        held = Signal.like(self.index)
        m.d.sync += held.eq(self.index)
        with m.If(writer.active):
            m.d.comb += self.index.eq(writer.index)
        with m.Elif(fills.r_rdy):
            m.d.comb += self.index.eq(writer.fill.payload.index)
        with m.Elif(fills.level != 0):
            m.d.comb += self.index.eq(held)
        with m.Elif(prepared_valid):
            m.d.comb += self.index.eq(prepared_index)
        with m.Elif(taken_valid):
            m.d.comb += self.index.eq(taken.index)
        with m.Else():
            m.d.comb += self.index.eq(self.instructions.payload.index)
        with m.If(writer.writing | (self.read.beat.valid & self.read.beat.ready)):
            m.d.comb += self.activity.eq(Activity.BUSY)
        with m.Elif(writer.refused):
            m.d.comb += self.activity.eq(Activity.WAIT_HAZARD)
        with m.Elif(working):
            m.d.comb += self.activity.eq(Activity.WAIT_MEMORY)
        with m.Elif(self.instructions.valid & ~self.instructions.ready):
            m.d.comb += self.activity.eq(Activity.WAIT_NEXT)
        with m.Else():
            m.d.comb += self.activity.eq(Activity.IDLE)
        return m

    def _prepare(
        self, m: Module, splitter: BurstSplitter, fills: SyncFIFOBuffered
    ) -> tuple[Signal, Signal, Signal, Signal]:
        """From an instruction to a block for the splitter and a `fill` for the writer, in two registered steps.

        Each step is free only in the cycle after it has passed its instruction on, so that no chain of handshakes runs
        through them: an instruction in two cycles.

        Returns the instruction of the first step and whether it holds one; of the second, the index and the same.
        """
        config = self.config
        offered = Fields(self.instructions.payload.word, Load, config)
        taken = Signal(dispatched(), reset_less=True)
        taken_valid, prepared_valid = Signal(), Signal()
        taken_moves, prepared_free = Signal(), Signal()

        pops, pushes = offered.pop_next, offered.push_next
        starts = Signal()
        m.d.comb += [
            self.instructions.ready.eq(
                ~taken_valid & (~pops | self.from_compute.available) & (~pushes | self.to_compute.room)
            ),
            starts.eq(self.instructions.valid & self.instructions.ready),
            self.from_compute.pop.eq(starts & pops),
            self.to_compute.reserve.eq(starts & pushes),
        ]
        with m.If(starts):
            m.d.sync += [taken_valid.eq(1), taken.eq(self.instructions.payload)]
        with m.Elif(taken_moves):
            m.d.sync += taken_valid.eq(0)

        load = Fields(taken.word, Load, config)
        is_load = load.opcode == Opcode.LOAD
        shifts = Array(Const(clog2(entry_bytes(config, buffer)), unsigned(4)) for buffer in Buffer)
        shift = shifts[load.buffer]
        m.d.comb += [
            splitter.block.valid.eq(taken_valid & is_load & prepared_free),
            splitter.block.payload.addr.eq(load.dram),
            splitter.block.payload.row_bytes.eq(load.cols << shift),
            splitter.block.payload.rows.eq(load.rows),
            splitter.block.payload.pitch.eq(load.stride << shift),
            taken_moves.eq(taken_valid & prepared_free & (~is_load | splitter.block.ready)),
        ]

        prepared = Signal(fill(config), reset_less=True)
        width = Signal(width_bits(), reset_less=True)
        tops, bottoms, lefts, rights = (
            Signal(len(load.pad_top), name=name, reset_less=True) for name in ("t", "b", "l", "r")
        )
        with m.If(taken_moves):
            m.d.sync += [
                prepared.is_load.eq(is_load),
                prepared.push.eq(load.push_next),
                prepared.index.eq(taken.index),
                prepared.buffer.eq(load.buffer),
                prepared.sram.eq(load.sram),
                prepared.place.eq(load.dram),
                prepared.pitch.eq(load.stride << shift),
                prepared.more_rows.eq(load.rows - 2),
                prepared.more_cols.eq(load.cols - 2),
                prepared.pad_value.eq(load.pad_value),
                width.eq(load.pad_left + load.cols + load.pad_right),
                tops.eq(load.pad_top),
                bottoms.eq(load.pad_bottom),
                lefts.eq(load.pad_left),
                rights.eq(load.pad_right),
            ]
        complete = Signal(fill(config))
        m.d.comb += [
            complete.eq(prepared),
            complete.head.eq(_times(width, tops) + (lefts - 2)),
            complete.gap.eq(lefts + rights - 2),
            complete.tail.eq(_times(width, bottoms) + (rights - 2)),
            complete.has_head.eq(Cat(tops, lefts).any()),
            complete.has_gap.eq(Cat(lefts, rights).any()),
            complete.has_tail.eq(Cat(bottoms, rights).any()),
            fills.w_data.eq(complete),
            fills.w_en.eq(prepared_valid),
            prepared_free.eq(~prepared_valid),
        ]
        with m.If(prepared_free | fills.w_rdy):
            m.d.sync += prepared_valid.eq(taken_moves)
        return taken, taken_valid, prepared.index, prepared_valid


def _times(width: Signal, count: Signal) -> Signal:
    """``width * count`` in adders: a product of this size would take one of the array's multipliers."""
    low, high = (
        Mux(count[bit], width << bit, 0) + Mux(count[bit + 1], width << bit + 1, 0) for bit in range(0, len(count), 2)
    )
    return (low + high)[: run_bits()]
