"""The store unit's writes: groups of bytes become beats, beats become bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import OUT_BITS, Config, clog2
from dovetail.isa.registers import PROGRAM_INDEX_BITS

from .bursts import BurstSplitter, block
from .interfaces import WriteClient, level_bits

OPEN_STORES = 4
"""STOREs whose last write is not answered yet; another one waits."""
MIN_BEATS = 32


def place_bits(config: Config) -> int:
    """Bits of a group's place in its beat."""
    return max(1, clog2(config.bus_bytes // config.out_lanes))


def slot(config: Config) -> data.StructLayout:
    """Where a group goes: its place in the beat, and whether the beat, and the burst, are complete with it."""
    return data.StructLayout({"place": unsigned(place_bits(config)), "beat_end": 1, "burst_end": 1})


class StoreWrites(wiring.Component):
    """Gathers what STOREs produce and writes it to memory.

    A burst is asked for when all its beats are here. Whoever sends a group that completes a beat has reserved a place
    for the beat before, and sends the group whenever it comes.

    Members
    -------
    block: In(stream)
        A STORE: its `block` in memory, `index`, and `push`: it gives a token.
    room: Out(1)
        There is a place for a beat more.
    reserve: In(1)
        Take that place; only while `room`.
    group_valid: In(1)
        `out_lanes` bytes, `group`, go to `group_slot`.
    beat_valid: In(1)
        A whole beat, `beat`, goes to `beat_slot`. Not together with a group.
    write: Out(WriteClient)
    complete: Out(1)
        Every STORE is written, and answered.
    index_valid: Out(1)
        Low also for a moment after a STORE began.
    index: Out
        While `index_valid`: the oldest STORE that is not complete.
    push: Out(1)
        A STORE that gives a token is complete.
    fault: Out(1)
        A write of STORE `index` was answered with an error.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        job = data.StructLayout({"block": block(config), "index": PROGRAM_INDEX_BITS, "push": 1})
        super().__init__(
            {
                "block": In(stream.Signature(job)),
                "room": Out(1),
                "reserve": In(1),
                "group_valid": In(1),
                "group": In(config.out_lanes * OUT_BITS),
                "group_slot": In(slot(config)),
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
                "beat_slot": In(slot(config)),
                "write": Out(WriteClient(config)),
                "complete": Out(1),
                "index_valid": Out(1),
                "index": Out(PROGRAM_INDEX_BITS),
                "push": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        depth = max(MIN_BEATS, 2 * config.burst_beats)
        m.submodules.beats = beats = SyncFIFOBuffered(width=config.bus_bits + config.bus_bytes + 1, depth=depth)
        self._pack(m, beats)
        self._send(m, beats, depth)

        free = Signal(level_bits(depth), init=depth)
        leaves = Signal()
        m.d.comb += [self.room.eq(free != 0), leaves.eq(beats.r_en & beats.r_rdy)]
        with m.If(self.reserve & ~leaves):
            m.d.sync += free.eq(free - 1)
        with m.Elif(leaves & ~self.reserve):
            m.d.sync += free.eq(free + 1)
        return m

    def _pack(self, m: Module, beats: SyncFIFOBuffered) -> None:
        """The register in which a beat grows; strobes say which bytes it has."""
        config = self.config
        places = config.bus_bytes // config.out_lanes
        parts = [Signal(config.out_lanes * OUT_BITS, name=f"part_{k}") for k in range(places)]
        filled = Signal(places)
        whole, burst_end = Signal(), Signal()
        here = Cat(self.group_slot.place == k for k in range(places))
        m.d.sync += whole.eq(self.beat_valid | (self.group_valid & self.group_slot.beat_end))
        with m.If(self.beat_valid):
            m.d.sync += [Cat(parts).eq(self.beat), filled.eq(~0), burst_end.eq(self.beat_slot.burst_end)]
        with m.Elif(self.group_valid):
            m.d.sync += [filled.eq(Mux(whole, 0, filled) | here), burst_end.eq(self.group_slot.burst_end)]
            for k, part in enumerate(parts):
                with m.If(here[k]):
                    m.d.sync += part.eq(self.group)
        with m.Elif(whole):
            m.d.sync += filled.eq(0)
        strobes = Cat(bit.replicate(config.out_lanes) for bit in filled)
        m.d.comb += [beats.w_en.eq(whole), beats.w_data.eq(Cat(*parts, strobes, burst_end))]

    def _send(self, m: Module, beats: SyncFIFOBuffered, depth: int) -> None:
        config = self.config
        m.submodules.splitter = splitter = BurstSplitter(config)
        opened = data.StructLayout({"index": PROGRAM_INDEX_BITS, "push": 1})
        m.submodules.stores = stores = SyncFIFOBuffered(width=opened.size, depth=OPEN_STORES)
        m.submodules.flights = flights = SyncFIFOBuffered(width=1, depth=config.max_bursts + 2)
        burst, request, beat = splitter.burst, self.write.request, self.write.beat
        unclaimed, claimed = Signal(level_bits(depth)), Signal(level_bits(depth))
        in_flight = Signal(level_bits(config.max_bursts))
        claims = Signal()
        oldest = data.View(opened, stores.r_data)

        m.d.comb += [
            splitter.block.valid.eq(self.block.valid & stores.w_rdy),
            splitter.block.payload.eq(self.block.payload.block),
            self.block.ready.eq(splitter.block.ready & stores.w_rdy),
            stores.w_en.eq(self.block.valid & self.block.ready),
            stores.w_data.eq(Cat(self.block.payload.index, self.block.payload.push)),
            request.valid.eq(
                burst.valid & (unclaimed > burst.payload.beats_minus_one) & (in_flight != config.max_bursts)
            ),
            request.payload.addr.eq(burst.payload.addr),
            request.payload.beats_minus_one.eq(burst.payload.beats_minus_one),
            claims.eq(request.valid & request.ready),
            burst.ready.eq(claims),
            flights.w_en.eq(claims),
            flights.w_data.eq(burst.payload.last),
        ]
        beat_count = Mux(claims, burst.payload.beats_minus_one + 1, 0)
        m.d.sync += [
            unclaimed.eq(unclaimed + beats.w_en - beat_count),
            claimed.eq(claimed + beat_count - (beat.valid & beat.ready)),
            in_flight.eq(in_flight + claims - self.write.done),
        ]

        m.d.comb += [
            beat.valid.eq(beats.r_rdy & (claimed != 0)),
            Cat(beat.payload.data, beat.payload.strb, beat.payload.last).eq(beats.r_data),
            beats.r_en.eq(beat.ready & (claimed != 0)),
            flights.r_en.eq(self.write.done),
            stores.r_en.eq(self.write.done & flights.r_data),
            self.complete.eq(stores.level == 0),
            self.index_valid.eq(stores.r_rdy),
            self.index.eq(oldest.index),
            self.push.eq(stores.r_en & oldest.push),
            self.fault.eq(self.write.done & self.write.error),
        ]
