"""The store unit's reads: records of PARAM, and residuals."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import OUT_BITS, Config, clog2

from .bursts import BurstSplitter, block
from .interfaces import ReadClient, level_bits
from .skid import SkidBuffer
from .store_groups import pick
from .store_writes import place_bits

MIN_BEATS = 32


class StoreReads(wiring.Component):
    """Reads blocks; the data of one kind leaves as beats, of the other as groups of `out_lanes` bytes.

    Blocks of different kinds must not be in flight at the same time. Residuals wait here, and their room is reserved
    before they are asked for, so that answers are always taken at once.

    Members
    -------
    block: In(stream)
        `block`, and `is_param`.
    read: Out(ReadClient)
    param: Out(1)
        A beat of records is on `read.beat` in this cycle.
    group: Out(stream)
        Residual bytes of a group.
    row_end: In(1)
        With a group's transfer: it is the last of its row.
    fault: Out(1)
        A read was answered with an error.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        kinded = data.StructLayout({"block": block(config), "is_param": 1})
        super().__init__(
            {
                "block": In(stream.Signature(kinded)),
                "read": Out(ReadClient(config)),
                "param": Out(1),
                "group": Out(stream.Signature(data.ArrayLayout(unsigned(OUT_BITS), config.out_lanes))),
                "row_end": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        depth = max(MIN_BEATS, 2 * config.burst_beats)
        m.submodules.splitter = splitter = BurstSplitter(config)
        m.submodules.beats = beats = SyncFIFOBuffered(width=config.bus_bits, depth=depth)
        is_param = Signal()
        room = Signal(level_bits(depth), init=depth)
        burst, request = splitter.burst, self.read.request

        starts, asks = Signal(), Signal()
        m.d.comb += [
            splitter.block.valid.eq(self.block.valid),
            splitter.block.payload.eq(self.block.payload.block),
            self.block.ready.eq(splitter.block.ready),
            starts.eq(self.block.valid & self.block.ready),
            asks.eq(
                burst.valid & (is_param | (room > burst.payload.beats_minus_one)) & (~request.valid | request.ready)
            ),
            burst.ready.eq(asks),
        ]
        with m.If(asks):
            m.d.sync += [
                request.valid.eq(1),
                request.payload.addr.eq(burst.payload.addr),
                request.payload.beats_minus_one.eq(burst.payload.beats_minus_one),
            ]
        with m.Elif(request.ready):
            m.d.sync += request.valid.eq(0)
        leaves = Signal()
        left = (room + leaves)[: len(room)]
        m.d.sync += [
            leaves.eq(beats.r_en & beats.r_rdy),
            room.eq(Mux(asks & ~is_param, left - burst.payload.beats_minus_one - 1, left)),
        ]
        with m.If(starts):
            m.d.sync += is_param.eq(self.block.payload.is_param)

        m.d.comb += [
            self.read.beat.ready.eq(1),
            self.param.eq(self.read.beat.valid & is_param),
            beats.w_en.eq(self.read.beat.valid & ~is_param),
            beats.w_data.eq(self.read.beat.payload.data),
            self.fault.eq(self.read.beat.valid & self.read.beat.payload.error),
        ]
        # Groups are taken in the cycle that finds them, far from the memory of the beats.
        m.submodules.skid = skid = SkidBuffer(unsigned(config.bus_bits))
        m.d.comb += [
            skid.input.valid.eq(beats.r_rdy),
            skid.input.payload.eq(beats.r_data),
            beats.r_en.eq(skid.input.ready),
        ]
        self._unpack(m, skid.output, starts)
        return m

    def _unpack(self, m: Module, beats: stream.Interface, starts: Signal) -> None:
        """Beats to groups. A row starts at any entry, in a beat of its own."""
        config = self.config
        group_bits = config.out_lanes * OUT_BITS
        parts = [beats.payload[k : k + group_bits] for k in range(0, config.bus_bits, group_bits)]
        lsb = clog2(config.out_lanes)
        row_place, place, pitch = (Signal(place_bits(config), name=name) for name in ("row_place", "place", "pitch"))
        beat_end = place == len(parts) - 1 if len(parts) > 1 else Const(1)
        moves = self.group.valid & self.group.ready
        m.d.comb += [
            self.group.valid.eq(beats.valid),
            self.group.payload.eq(pick(parts, place)),
            beats.ready.eq(moves & (self.row_end | beat_end)),
        ]
        with m.If(starts):
            first = self.block.payload.block.addr[lsb:]
            m.d.sync += [row_place.eq(first), place.eq(first), pitch.eq(self.block.payload.block.pitch[lsb:])]
        with m.Elif(moves):
            m.d.sync += place.eq(place + 1)
            with m.If(self.row_end):
                m.d.sync += [row_place.eq(row_place + pitch), place.eq(row_place + pitch)]
