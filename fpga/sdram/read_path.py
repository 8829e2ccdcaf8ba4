"""Columns that are read, on their way to the AXI read channel."""

from __future__ import annotations

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4, level_bits
from dovetail.isa.config import Config

from .chips import SdramChip, SdramClocks
from .pads import READ_CAPTURE
from .segments import Geometry
from .sequencer import column

BEATS = 16
"""Beats that wait for the master to take them."""
OKAY, DECERR = 0, 3


class ReadPath(wiring.Component):
    """Joins columns to beats. There is room for every beat that has begun.

    Members
    -------
    read: In(1)
        A column's READ is given; it leaves the controller in the next cycle.
    column: In(`column`)
    room: Out(1)
        Another beat may begin.
    dq_i: In
    r: Out(stream)
        As of `Axi4`.
    """

    def __init__(self, config: Config, chip: SdramChip, clocks: SdramClocks) -> None:
        self.chip = chip
        self.lanes = Geometry(config, chip).lanes
        self.latency = 1 + clocks.cas_latency + READ_CAPTURE
        super().__init__(
            {
                "read": In(1),
                "column": In(column()),
                "room": Out(1),
                "dq_i": In(chip.data_bits),
                "r": In(Axi4(config).members["r"].signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arriving = data.StructLayout({"valid": 1, "column": column()})
        stages = [Signal(arriving, name=f"arriving_{k}") for k in range(self.latency)]
        m.d.sync += stages[0].valid.eq(self.read), stages[0].column.eq(self.column)
        for stage, following in itertools.pairwise(stages):
            m.d.sync += following.eq(stage)
        here = stages[-1]

        earlier = Signal(self.chip.data_bits * (self.lanes - 1))
        beat = Signal(self.r.p.shape())
        columns = Cat(earlier, self.dq_i)
        with m.If(here.valid):
            m.d.sync += earlier.eq(columns[self.chip.data_bits :])
        m.submodules.beats = beats = SyncFIFOBuffered(width=len(beat.as_value()), depth=BEATS)
        m.d.comb += [
            beat.data.eq(columns),
            beat.resp.eq(Mux(here.column.error, DECERR, OKAY)),
            beat.last.eq(here.column.burst_end),
            beat.id.eq(here.column.id),
            beats.w_data.eq(beat),
            beats.w_en.eq(here.valid & here.column.beat_end),
            beats.r_en.eq(self.r.ready),
            self.r.valid.eq(beats.r_rdy),
            self.r.p.as_value().eq(beats.r_data),
        ]

        # The buffer's output register may be the last place to fill, so that one is not counted on.
        owed = Signal(level_bits(BEATS - 1))
        begins, taken = Signal(), Signal()
        mid_beat = Signal()
        with m.If(self.read):
            m.d.sync += mid_beat.eq(~self.column.beat_end)
        m.d.comb += [
            begins.eq(self.read & ~mid_beat),
            taken.eq(self.r.valid & self.r.ready),
            self.room.eq(owed != BEATS - 1),
        ]
        with m.If(begins & ~taken):
            m.d.sync += owed.eq(owed + 1)
        with m.Elif(taken & ~begins):
            m.d.sync += owed.eq(owed - 1)
        return m
