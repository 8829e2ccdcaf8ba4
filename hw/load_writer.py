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
    row to row. Without `is_load` nothing is written. At the end a token is given if `push`.
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
            "rows_minus_one": unsigned(ROWS_BITS),
            "cols_minus_one": unsigned(COLS_BITS),
            "pad_value": signed(PAD_VALUE_BITS),
            "head": unsigned(run_bits()),
            "gap": unsigned(PAD_BITS + 1),
            "tail": unsigned(run_bits()),
            "has_head": 1,
            "has_gap": 1,
            "has_tail": 1,
        }
    )


class LoadWriter(wiring.Component):
    """Writes one entry a cycle, or one beat of an entry that is wider than the bus; padding one entry a cycle.

    Rows, runs of padding and instructions follow each other without a cycle between them.

    Members
    -------
    fill: In(stream of `fill`)
    beat: In(stream)
        Data of the rows, as a `ReadClient` receives it. Each row begins with a beat of its own.
    inp, wgt, acc, uop: Out(BufferWrite)
        All from registers.
    acc_grant: In(1)
        See `LoadUnit`.
    push: Out(1)
        High for a cycle after the last write of a fill that gives a token.
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
        m.submodules.beats = beats = SyncFIFOBuffered(width=config.bus_bits + 1, depth=BEATS)
        m.d.comb += [
            beats.w_en.eq(self.beat.valid),
            beats.w_data.eq(Cat(self.beat.payload.data, self.beat.payload.error)),
            self.beat.ready.eq(beats.w_rdy),
        ]

        job = Signal(fill(config))
        padding, ending = Signal(), Signal()
        pads_left = Signal(run_bits())
        rows_left, cols_left = Signal(ROWS_BITS), Signal(COLS_BITS)
        entry = Signal(config.sram_index_bits)
        lane = Signal(range(max(2, *self.lanes.values())))
        row_place, place = Signal(clog2(config.bus_bytes)), Signal(clog2(config.bus_bytes))

        out_free = Signal()
        pads, fetches, notes = Signal(), Signal(), Signal()
        entry_done, row_done, done = Signal(), Signal(), Signal()
        pad_done = pads & (pads_left == 1)
        last_lane = Array(Const(lanes - 1, lane.shape()) for lanes in self.lanes.values())[job.buffer]
        m.d.comb += [
            pads.eq(self.active & out_free & padding),
            fetches.eq(self.active & out_free & ~padding & job.is_load & beats.r_rdy),
            notes.eq(self.active & out_free & ~job.is_load),
            entry_done.eq(fetches & (lane == last_lane)),
            row_done.eq(entry_done & (cols_left == 0)),
            done.eq(notes | (pad_done & ending) | (row_done & (rows_left == 0) & ~job.has_tail)),
            beats.r_en.eq(fetches & (self._beat_ends(job.buffer, place) | row_done)),
            self.fault.eq(fetches & beats.r_data[-1]),
            self.index.eq(job.index),
        ]

        with m.If(pads | entry_done):
            m.d.sync += entry.eq(entry + 1)
        with m.If(fetches):
            m.d.sync += lane.eq(Mux(entry_done, 0, lane + 1))
        with m.If(pads):
            m.d.sync += pads_left.eq(pads_left - 1)
        with m.If(pad_done):
            m.d.sync += padding.eq(0)
        with m.If(entry_done):
            m.d.sync += [cols_left.eq(cols_left - 1), place.eq(place + self._entry_step(job.buffer))]
        with m.If(row_done):
            m.d.sync += [
                cols_left.eq(job.cols_minus_one),
                rows_left.eq(rows_left - 1),
                row_place.eq(row_place + job.pitch),
                place.eq(row_place + job.pitch),
            ]
            with m.If(rows_left == 0):
                m.d.sync += [padding.eq(job.has_tail), pads_left.eq(job.tail), ending.eq(1)]
            with m.Else():
                m.d.sync += [padding.eq(job.has_gap), pads_left.eq(job.gap)]

        m.d.comb += self.fill.ready.eq(~self.active | done)
        with m.If(self.fill.ready):
            m.d.sync += self.active.eq(self.fill.valid)
            with m.If(self.fill.valid):
                new = self.fill.payload
                m.d.sync += [
                    job.eq(new),
                    padding.eq(new.is_load & new.has_head),
                    ending.eq(0),
                    pads_left.eq(new.head),
                    rows_left.eq(new.rows_minus_one),
                    cols_left.eq(new.cols_minus_one),
                    entry.eq(new.sram),
                    row_place.eq(new.place),
                    place.eq(new.place),
                ]

        shifted = self._shifted(beats.r_data[:-1], place)
        value = Mux(padding, self._padding(job.buffer, job.pad_value), shifted)
        self._write(m, job, pads, fetches, lane, entry, value, done, out_free)
        return m

    def _write(
        self,
        m: Module,
        job: data.View,
        pads: Signal,
        fetches: Signal,
        lane: Signal,
        entry: Signal,
        value: Value,
        done: Signal,
        out_free: Signal,
    ) -> None:
        """The register in front of the buffers, shared by all of them."""
        config = self.config
        enables = {buffer: Signal(lanes, name=f"{buffer.name.lower()}_en") for buffer, lanes in self.lanes.items()}
        index, beat = Signal(config.sram_index_bits), Signal(config.bus_bits)
        ends, writes = Signal(), Signal()
        m.d.comb += [
            self.refused.eq(enables[Buffer.ACC].any() & ~self.acc_grant),
            out_free.eq(~self.refused),
            writes.eq(Cat(enables.values()).any()),
            self.writing.eq(writes & out_free),
            self.busy.eq(self.active | writes | ends | self.push),
        ]
        m.d.sync += self.push.eq(ends & out_free)
        with m.If(out_free):
            m.d.sync += ends.eq(done & job.push)
            for buffer, enable in enables.items():
                chosen = (job.buffer == buffer) & (pads | fetches)
                one_hot = Cat(pads | (lane == k) for k in range(len(enable)))
                m.d.sync += enable.eq(Mux(chosen, one_hot, 0))
        with m.If(pads | fetches):
            m.d.sync += [index.eq(entry), beat.eq(value)]
        for buffer, enable in enables.items():
            port = getattr(self, buffer.name.lower())
            m.d.comb += [
                port.en.eq(enable),
                port.index.eq(index),
                port.data.eq(beat.replicate(len(enable))),
            ]

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
