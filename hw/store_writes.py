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
        room = Signal(init=1)
        m.d.comb += [self.room.eq(room), leaves.eq(beats.r_en & beats.r_rdy)]
        with m.If(self.reserve & ~leaves):
            m.d.sync += [free.eq(free - 1), room.eq(free != 1)]
        with m.Elif(leaves & ~self.reserve):
            m.d.sync += [free.eq(free + 1), room.eq(1)]
        return m

    def _pack(self, m: Module, beats: SyncFIFOBuffered) -> None:
        """The register in which a beat grows; strobes say which bytes it has."""
        config = self.config
        places = config.bus_bytes // config.out_lanes
        parts = [Signal(config.out_lanes * OUT_BITS, name=f"part_{k}", reset_less=True) for k in range(places)]
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
        m.submodules.stores = stores = SyncFIFOBuffered(width=opened.size, depth=OPEN_STORES + 1)
        m.submodules.flights = flights = SyncFIFOBuffered(width=1, depth=config.max_bursts + 2)
        burst, request, beat = splitter.burst, self.write.request, self.write.beat
        unclaimed, claimed = Signal(level_bits(depth)), Signal(level_bits(depth))
        in_flight = Signal(level_bits(config.max_bursts))
        held, may_ask, owes = Signal(), Signal(init=1), Signal()
        claims, asks, sends, done, error = Signal(), Signal(), Signal(), Signal(), Signal()
        last_of_block = Signal()
        open_stores, complete, may_open = Signal(level_bits(OPEN_STORES)), Signal(init=1), Signal(init=1)
        oldest = data.View(opened, stores.r_data)

        m.d.comb += [
            splitter.block.valid.eq(self.block.valid & may_open),
            splitter.block.payload.eq(self.block.payload.block),
            self.block.ready.eq(splitter.block.ready & may_open),
            stores.w_en.eq(self.block.valid & self.block.ready),
            stores.w_data.eq(Cat(self.block.payload.index, self.block.payload.push)),
            request.valid.eq(held & may_ask),
            asks.eq(request.valid & request.ready),
            claims.eq(burst.valid & (unclaimed > burst.payload.beats_minus_one) & (~held | asks)),
            burst.ready.eq(claims),
            flights.w_en.eq(asks),
            flights.w_data.eq(last_of_block),
        ]
        whole = (unclaimed + beats.w_en)[: len(unclaimed)]
        m.d.sync += [
            unclaimed.eq(Mux(claims, whole - burst.payload.beats_minus_one - 1, whole)),
            claimed.eq(claimed + Mux(asks, request.payload.beats_minus_one + 1, 0) - sends),
            done.eq(self.write.done),
            error.eq(self.write.error),
        ]
        with m.If(claims):
            m.d.sync += [
                held.eq(1),
                request.payload.addr.eq(burst.payload.addr),
                request.payload.beats_minus_one.eq(burst.payload.beats_minus_one),
                last_of_block.eq(burst.payload.last),
            ]
        with m.Elif(asks):
            m.d.sync += held.eq(0)
        with m.If(asks):
            m.d.sync += owes.eq(1)
        with m.Elif(sends):
            m.d.sync += owes.eq(claimed != 1)
        with m.If(asks & ~done):
            m.d.sync += [in_flight.eq(in_flight + 1), may_ask.eq(in_flight != config.max_bursts - 1)]
        with m.Elif(done & ~asks):
            m.d.sync += [in_flight.eq(in_flight - 1), may_ask.eq(1)]

        m.d.comb += [
            beat.valid.eq(beats.r_rdy & owes),
            sends.eq(beat.valid & beat.ready),
            Cat(beat.payload.data, beat.payload.strb, beat.payload.last).eq(beats.r_data),
            beats.r_en.eq(beat.ready & owes),
            flights.r_en.eq(done),
            stores.r_en.eq(done & flights.r_data),
            self.index_valid.eq(stores.r_rdy),
            self.index.eq(oldest.index),
            self.push.eq(stores.r_en & oldest.push),
            self.fault.eq(done & error),
        ]
        m.d.comb += self.complete.eq(complete)
        with m.If(stores.w_en & ~stores.r_en):
            m.d.sync += [
                open_stores.eq(open_stores + 1),
                complete.eq(0),
                may_open.eq(open_stores != OPEN_STORES - 1),
            ]
        with m.Elif(stores.r_en & ~stores.w_en):
            m.d.sync += [open_stores.eq(open_stores - 1), complete.eq(open_stores == 1), may_open.eq(1)]
