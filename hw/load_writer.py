"""The write side of the load unit: beats and padding become entries of the buffers."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import BYTE_BITS, Config, clog2
from dovetail.isa.instructions import (
    COLS_BITS,
    PAD_BITS,
    ROWS_BITS,
    Buffer,
    buffer_depth,
    element_bits,
    entry_bytes,
)
from dovetail.isa.registers import PROGRAM_INDEX_BITS

from .interfaces import BufferWrite, ReadClient, load_lanes
from .room import Room
from .skid import SkidBuffer

BEATS = 32
"""Beats that wait here while padding or narrow entries are written."""
PAD_VALUE_BITS = 8


def width_bits() -> int:
    """Bits that hold the entries of the widest padded row."""
    return clog2((1 << COLS_BITS) + 2 * ((1 << PAD_BITS) - 1))


def run_bits() -> int:
    """Bits that hold the entries of the longest run of padding."""
    return width_bits() + PAD_BITS


def fill(config: Config) -> data.StructLayout:
    """What the writer is to do for an instruction.

    The entries from `sram` on are `head` of padding, then rows of data with `gap` of padding between them, then `tail`
    of padding. `place` is the byte in its beat at which the first row starts, and `pitch` what is added to it from
    row to row. Without `is_load` nothing is written. At the end a token is given if `push`. Counts are those of what
    follows the second: the sign of such a register tells the last one.
    """
    place_bits = clog2(config.bus_bytes)
    return data.StructLayout(
        {
            "is_load": 1,
            "push": 1,
            "index": unsigned(PROGRAM_INDEX_BITS),
            "buffer": Buffer,
            "sram": unsigned(config.sram_index_bits),
            "place": unsigned(place_bits),
            "pitch": unsigned(place_bits),
            "more_rows": signed(ROWS_BITS + 1),
            "more_cols": signed(COLS_BITS + 1),
            "pad_value": signed(PAD_VALUE_BITS),
            "head": signed(run_bits() + 1),
            "gap": signed(PAD_BITS + 2),
            "tail": signed(run_bits() + 1),
            "has_head": 1,
            "has_gap": 1,
            "has_tail": 1,
        }
    )


def step(config: Config, lanes: int) -> data.StructLayout:
    """A write of the entry `entry`, or of its lane `lane`: padding (`pads`), or data from `place` on (`fetches`).

    With `pops` it is the last use of a beat, with `ends` a token follows. `index` is the instruction's.
    """
    return data.StructLayout(
        {
            "index": unsigned(PROGRAM_INDEX_BITS),
            "buffer": Buffer,
            "pads": 1,
            "fetches": 1,
            "pops": 1,
            "ends": 1,
            "entry": unsigned(config.sram_index_bits),
            "lane": range(lanes),
            "place": unsigned(clog2(config.bus_bytes)),
            "pad_value": signed(PAD_VALUE_BITS),
        }
    )


class LoadWriter(wiring.Component):
    """Writes one entry a cycle, or one beat of an entry that is wider than the bus; padding one entry a cycle.

    Rows, runs of padding and instructions follow each other without a cycle between them. A walk over the entries names
    the steps, up to two ahead; a step waits until its data is there and its buffer takes it.

    Members
    -------
    fill: In(stream of `fill`)
        Taken in the cycle after it was first looked at.
    beat: In(stream)
        Data of the rows, as a `ReadClient` receives it. Each row begins with a beat of its own.
    inp, wgt, acc, uop: Out(BufferWrite)
        From registers with nothing in front: buffers are far from here, and a flow may copy those.
    acc_grant: In(1)
        See `LoadUnit`.
    push: Out(1)
        High for a cycle with the last write of a fill that gives a token.
    active: Out(1)
        A fill is being worked on: that of instruction `index`.
    index: Out
    fault: Out(1)
        A beat with an error is used.
    busy: Out(1)
        A fill is being worked on, a write is to be done or a token to be given.
    writing: Out(1)
        An entry, or a lane of one, is written in this cycle.
    refused: Out(1)
        A write waits for `acc_grant`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.lanes = {buffer: load_lanes(config, entry_bytes(config, buffer)) for buffer in Buffer}
        ports = {
            buffer.name.lower(): Out(
                BufferWrite(
                    index_bits=clog2(buffer_depth(config, buffer)),
                    entry_bits=entry_bytes(config, buffer) * BYTE_BITS,
                    lanes=self.lanes[buffer],
                )
            )
            for buffer in Buffer
        }
        super().__init__(
            {
                "fill": In(stream.Signature(fill(config))),
                "beat": In(ReadClient(config).members["beat"].signature.flip()),
                **ports,
                "acc_grant": In(1),
                "push": Out(1),
                "active": Out(1),
                "index": Out(PROGRAM_INDEX_BITS),
                "fault": Out(1),
                "busy": Out(1),
                "writing": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.steps = steps = SkidBuffer(step(config, max(2, *self.lanes.values())))
        self._walk(m, steps.input)
        self._write(m, steps.output)
        with m.If(steps.output.valid):
            m.d.comb += self.index.eq(steps.output.payload.index)
        with m.Else():
            m.d.comb += self.index.eq(steps.input.payload.index)
        m.d.comb += self.active.eq(steps.input.valid | steps.output.valid)
        return m

    def _walk(self, m: Module, steps: stream.Interface) -> None:
        """Names the steps of each fill. Whatever is known of one when the one before it is taken is in a register."""
        config = self.config
        job, new = Signal(fill(config), reset_less=True), self.fill.payload
        padding, fetching, noting, ending = Signal(), Signal(), Signal(), Signal()
        more_pads = Signal(signed(run_bits() + 1), reset_less=True)
        more_rows = Signal(signed(ROWS_BITS + 1), reset_less=True)
        more_cols = Signal(signed(COLS_BITS + 1), reset_less=True)
        entry = Signal(config.sram_index_bits, reset_less=True)
        lane, last_lane = Signal.like(steps.payload.lane), Signal()
        next_place, place = Signal(clog2(config.bus_bytes)), Signal(clog2(config.bus_bytes))

        pads, fetches, starts = Signal(), Signal(), Signal()
        entry_done, row_ends, row_done, final, done = Signal(), Signal(), Signal(), Signal(), Signal()
        last_pad, last_col, last_row = more_pads < 0, more_cols < 0, more_rows < 0
        m.d.comb += [
            pads.eq(padding & steps.ready),
            fetches.eq(fetching & steps.ready),
            entry_done.eq(fetches & last_lane),
            row_ends.eq(last_lane & last_col),
            row_done.eq(fetches & row_ends),
            final.eq(noting | (padding & last_pad & ending) | (fetching & row_ends & last_row & ~job.has_tail)),
            done.eq(final & steps.ready),
            starts.eq((done | ~steps.valid) & self.fill.valid & ~self.fill.ready),
            steps.valid.eq(padding | fetching | noting),
            steps.payload.index.eq(job.index),
            steps.payload.buffer.eq(job.buffer),
            steps.payload.pads.eq(padding),
            steps.payload.fetches.eq(fetching),
            steps.payload.pops.eq(self._beat_ends(job.buffer, place) | row_ends),
            steps.payload.ends.eq(final & job.push),
            steps.payload.entry.eq(entry),
            steps.payload.lane.eq(lane),
            steps.payload.place.eq(place),
            steps.payload.pad_value.eq(job.pad_value),
        ]
        m.d.sync += self.fill.ready.eq(starts)

        with m.If(pads | entry_done):
            m.d.sync += entry.eq(entry + 1)
        with m.If(fetches):
            m.d.sync += [
                lane.eq(Mux(last_lane, 0, lane + 1)),
                last_lane.eq(Mux(last_lane, self._ends_entry(job.buffer, 0), self._ends_entry(job.buffer, lane + 1))),
            ]
        with m.If(fetching):
            m.d.sync += more_pads.eq(Mux(last_row, job.tail, job.gap))
        with m.Elif(pads):
            m.d.sync += more_pads.eq(more_pads - 1)
        with m.If(pads & last_pad):
            m.d.sync += [padding.eq(0), fetching.eq(~ending)]
        with m.If(entry_done):
            m.d.sync += [
                more_cols.eq(Mux(last_col, job.more_cols, more_cols - 1)),
                place.eq(Mux(last_col, next_place, place + self._entry_step(job.buffer))),
            ]
        with m.If(row_done):
            pads_follow = Mux(last_row, job.has_tail, job.has_gap)
            m.d.sync += [
                more_rows.eq(more_rows - 1),
                next_place.eq(next_place + job.pitch),
                padding.eq(pads_follow),
                fetching.eq(~pads_follow & ~last_row),
                ending.eq(last_row),
            ]
        with m.If(done):
            m.d.sync += noting.eq(0)
        with m.If(starts):
            m.d.sync += [
                job.eq(new),
                padding.eq(new.is_load & new.has_head),
                fetching.eq(new.is_load & ~new.has_head),
                noting.eq(~new.is_load),
                ending.eq(0),
                more_pads.eq(new.head),
                more_rows.eq(new.more_rows),
                more_cols.eq(new.more_cols),
                entry.eq(new.sram),
                place.eq(new.place),
                next_place.eq(new.place + new.pitch),
                last_lane.eq(self._ends_entry(new.buffer, 0)),
            ]

    def _write(self, m: Module, steps: stream.Interface) -> None:
        """Does the steps: two registers in front of the buffers, shared by all of them."""
        config = self.config
        m.submodules.beats = beats = SyncFIFOBuffered(width=config.bus_bits + 1, depth=BEATS)
        room = Room(BEATS, name="beats")
        enables = {buffer: Signal(lanes, name=f"{buffer.name.lower()}_en") for buffer, lanes in self.lanes.items()}
        indices = {buffer: Signal(config.sram_index_bits, name=f"{buffer.name.lower()}_index") for buffer in self.lanes}
        beat = Signal(config.bus_bits, reset_less=True)
        ends, writes, asks_acc, written = Signal(), Signal(), Signal(), Signal()
        out_free, possible, pops = Signal(), Signal(), Signal()
        current = steps.payload
        touches = steps.valid & (current.pads | (current.fetches & beats.r_rdy))
        m.d.comb += [
            self.beat.ready.eq(~room.full),
            beats.w_en.eq(self.beat.valid & self.beat.ready),
            beats.w_data.eq(Cat(self.beat.payload.data, self.beat.payload.error)),
            pops.eq(steps.valid & current.fetches & current.pops & beats.r_rdy & out_free),
            beats.r_en.eq(pops),
            possible.eq(~current.fetches | beats.r_rdy),
            steps.ready.eq(possible & out_free),
            self.refused.eq(asks_acc & ~self.acc_grant),
            out_free.eq(~self.refused),
            self.fault.eq(steps.valid & current.fetches & beats.r_rdy & out_free & beats.r_data[-1]),
            self.writing.eq(writes & out_free),
            self.busy.eq(self.active | writes | ends | written | self.push),
        ]
        room.count(m, taken=beats.w_en, ended=pops)
        m.d.sync += [self.push.eq(ends & out_free), written.eq(self.writing)]
        padding = self._padding(current.buffer, current.pad_value)
        with m.If(out_free):
            m.d.sync += [
                ends.eq(steps.valid & possible & current.ends),
                writes.eq(touches),
                asks_acc.eq(touches & (current.buffer == Buffer.ACC)),
                beat.eq(Mux(current.pads, padding, self._shifted(beats.r_data[:-1], current.place))),
            ]
            for buffer, enable in enables.items():
                one_hot = Cat(current.pads | (current.lane == k) for k in range(len(enable)))
                m.d.sync += enable.eq(Mux(touches & (current.buffer == buffer), one_hot, 0))
                with m.If(current.buffer == buffer):
                    m.d.sync += indices[buffer].eq(current.entry)
        data = Signal(config.bus_bits, reset_less=True)
        m.d.sync += data.eq(beat)
        for buffer, enable in enables.items():
            port = getattr(self, buffer.name.lower())
            m.d.sync += [port.en.eq(Mux(out_free, enable, 0)), port.index.eq(indices[buffer])]
            m.d.comb += port.data.eq(data.replicate(len(enable)))

    def _ends_entry(self, buffer: Value, lane: Value | int) -> Value:
        """Whether `lane` is the last of an entry."""
        return Array(Value.cast(lane) == lanes - 1 for lanes in self.lanes.values())[buffer]

    def _entry_step(self, buffer: Value) -> Value:
        """Bytes from an entry to the next within a beat; 0 when entries are no narrower than the bus."""
        bus = self.config.bus_bytes
        return Array(Const(entry_bytes(self.config, b) % bus, unsigned(clog2(bus))) for b in Buffer)[buffer]

    def _beat_ends(self, buffer: Value, place: Value) -> Value:
        """Whether the entry at `place` is the last of its beat."""
        bus = self.config.bus_bytes
        return Array(place == bus - min(bus, entry_bytes(self.config, b)) for b in Buffer)[buffer]

    def _shifted(self, beat: Value, place: Value) -> Value:
        """The beat with the byte at `place` first."""
        narrow = min(entry_bytes(self.config, buffer) for buffer in Buffer)
        if narrow >= self.config.bus_bytes:
            return beat
        steps = place[clog2(narrow) :]
        return Array(beat >> (k * narrow * BYTE_BITS) for k in range(1 << len(steps)))[steps]

    def _padding(self, buffer: Value, pad_value: Value) -> Value:
        """A beat of padding for a buffer."""
        patterns = []
        for b in Buffer:
            bits = element_bits(self.config, b)
            extended = Cat(pad_value, pad_value[-1].replicate(bits - len(pad_value)))
            patterns.append(extended.replicate(self.config.bus_bits // bits))
        return Array(patterns)[buffer]
