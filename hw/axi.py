"""The AXI4 master that the units share."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config

from .interfaces import AXI_LEN_BITS, Axi4, ReadClient, WriteClient, burst
from .room import Room
from .skid import SkidBuffer


class AxiId(IntEnum):
    """Whose transaction it is. Answers to one id come in order, so each client sees its own in order."""

    FETCH = 0
    LOAD = 1
    STORE = 2


class AxiPort(wiring.Component):
    """Joins three readers and a writer to one AXI4 master, a beat a cycle each way.

    Each client has at most ``max_bursts`` bursts in flight. Fetch's read requests go first; load's and store's take
    turns. Addresses and write data leave from registers, so they hold until they are taken.

    Members
    -------
    fetch, load, store_read: In(ReadClient)
    store_write: In(WriteClient)
    axi: Out(Axi4)
    base: In(32)
        Added to every address modulo 2**32. Constant while anything is in flight.
    abort: In(1)
        From now on, until reset, no burst is started and no write answered. What is in flight is completed: data read
        goes to a client that is ready, who is to be reset too, or nowhere; data still owed is written with no byte
        enabled.
    drained: Out(1)
        `abort`, and nothing is in flight: the port may be reset.
    read_beat, write_beat: Out(1)
        A beat of data is transferred in this cycle.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "fetch": In(ReadClient(config)),
                "load": In(ReadClient(config)),
                "store_read": In(ReadClient(config)),
                "store_write": In(WriteClient(config)),
                "axi": Out(Axi4(config)),
                "base": In(DRAM_ADDRESS_BITS),
                "abort": In(1),
                "drained": Out(1),
                "read_beat": Out(1),
                "write_beat": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        reading = self._reads(m)
        writing = self._writes(m)
        m.d.comb += [
            self.drained.eq(self.abort & ~reading & ~writing),
            self.read_beat.eq(self.axi.r.valid & self.axi.r.ready),
            self.write_beat.eq(self.axi.w.valid & self.axi.w.ready),
        ]
        return m

    def _reads(self, m: Module) -> Value:
        """The read channels. Returns whether a read is in flight."""
        limit = self.config.max_bursts
        clients = {AxiId.FETCH: self.fetch, AxiId.LOAD: self.load, AxiId.STORE: self.store_read}
        m.submodules.store_requests = store_requests = SkidBuffer(burst())
        connect(m, flipped(self.store_read.request), store_requests.input)
        requests = {
            AxiId.FETCH: self.fetch.request,
            AxiId.LOAD: self.load.request,
            AxiId.STORE: store_requests.output,
        }
        ar, r = self.axi.ar, self.axi.r
        free, store_next = Signal(), Signal()
        flights = {who: Room(limit, name=f"{who.name.lower()}_reads") for who in clients}
        wants = {who: Signal(name=f"{who.name.lower()}_wants") for who in clients}
        chosen = {who: Signal(name=f"{who.name.lower()}_chosen") for who in clients}
        for who in clients:
            m.d.comb += wants[who].eq(requests[who].valid & ~flights[who].full)
        load_first = wants[AxiId.LOAD] & ~(wants[AxiId.STORE] & store_next)
        m.d.comb += [
            free.eq((~ar.valid | ar.ready) & ~self.abort),
            chosen[AxiId.FETCH].eq(wants[AxiId.FETCH]),
            chosen[AxiId.LOAD].eq(~wants[AxiId.FETCH] & load_first),
            chosen[AxiId.STORE].eq(~wants[AxiId.FETCH] & wants[AxiId.STORE] & ~load_first),
        ]

        with m.If(~ar.valid | ar.ready):
            m.d.sync += ar.valid.eq(Cat(wants.values()).any() & ~self.abort)
        request = Signal(burst())
        m.d.comb += request.eq(
            Mux(
                wants[AxiId.FETCH],
                requests[AxiId.FETCH].payload,
                Mux(load_first, requests[AxiId.LOAD].payload, requests[AxiId.STORE].payload),
            )
        )
        with m.If(free):
            m.d.sync += [
                ar.payload.addr.eq(request.addr + self.base),
                ar.payload.len.eq(request.beats_minus_one),
                ar.payload.id.eq(Mux(wants[AxiId.FETCH], AxiId.FETCH, Mux(load_first, AxiId.LOAD, AxiId.STORE))),
            ]
        for who, client in clients.items():
            taken, ended = Signal(name=f"{who.name.lower()}_taken"), Signal(name=f"{who.name.lower()}_ended")
            m.d.comb += [
                requests[who].ready.eq(free & chosen[who]),
                taken.eq(free & chosen[who]),
                ended.eq(r.valid & r.ready & r.payload.last & (r.payload.id == who)),
                client.beat.valid.eq(r.valid & (r.payload.id == who)),
                client.beat.payload.data.eq(r.payload.data),
                client.beat.payload.last.eq(r.payload.last),
                client.beat.payload.error.eq(r.payload.resp[1]),
            ]
            if who is not AxiId.FETCH:
                with m.If(taken):
                    m.d.sync += store_next.eq(who is AxiId.LOAD)
            flights[who].count(m, taken=taken, ended=ended)
        heard = Array([client.beat.ready for client in clients.values()])
        m.d.comb += r.ready.eq(self.abort | heard[r.payload.id])
        return Cat(flight.used for flight in flights.values()).any()

    def _writes(self, m: Module) -> Value:
        """The write channels. Returns whether a write is in flight."""
        limit = self.config.max_bursts
        client, aw, w, b = self.store_write, self.axi.aw, self.axi.w, self.axi.b
        m.submodules.write_requests = requests = SkidBuffer(burst())
        connect(m, flipped(client.request), requests.input)
        request = requests.output
        flights = Room(limit, name="writes")
        taken = Signal()
        room = (~aw.valid | aw.ready) & ~flights.full & ~self.abort
        m.d.comb += [
            request.ready.eq(room),
            taken.eq(request.valid & room),
            b.ready.eq(1),
        ]
        m.d.sync += [client.done.eq(b.valid & ~self.abort), client.error.eq(b.payload.resp[1])]
        with m.If(~aw.valid | aw.ready):
            m.d.sync += aw.valid.eq(taken)
        with m.If(taken):
            m.d.sync += [
                aw.payload.addr.eq(request.payload.addr + self.base),
                aw.payload.len.eq(request.payload.beats_minus_one),
                aw.payload.id.eq(AxiId.STORE),
            ]
        flights.count(m, taken=taken, ended=b.valid)

        # The lengths of bursts whose data is owed, so that an abort can complete them without the client.
        m.submodules.owed = owed = SyncFIFOBuffered(width=AXI_LEN_BITS, depth=limit + 2)
        owing, more_beats = Signal(), Signal(signed(AXI_LEN_BITS + 1))
        sends, last = Signal(), Signal()
        w_free = ~w.valid | w.ready
        m.d.comb += [
            owed.w_en.eq(taken),
            owed.w_data.eq(request.payload.beats_minus_one),
            last.eq(more_beats < 0),
            sends.eq(w_free & owing & (client.beat.valid | self.abort)),
            client.beat.ready.eq(w_free & owing & ~self.abort),
            owed.r_en.eq(~owing | (sends & last)),
        ]
        with m.If(owed.r_en):
            m.d.sync += [owing.eq(owed.r_rdy), more_beats.eq(owed.r_data - 1)]
        with m.Elif(sends):
            m.d.sync += more_beats.eq(more_beats - 1)
        with m.If(w_free):
            m.d.sync += w.valid.eq(sends)
        with m.If(sends):
            m.d.sync += [
                w.payload.data.eq(client.beat.payload.data),
                w.payload.strb.eq(Mux(self.abort, 0, client.beat.payload.strb)),
                w.payload.last.eq(last),
            ]
        return flights.used
