"""The bus port's Verilog between clients with random bursts and a slave that answers ids in any order."""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

import cocotb

from dovetail.hw.axi import AxiId
from dovetail.hw.interfaces import Axi4, ReadClient, WriteClient
from dovetail.isa.config import AXI_BOUNDARY_BYTES
from tests.hw.dma_bench import Memory

from .simulate import CONFIG_VARIABLE, configuration
from .streams import Bench, Ports, Stream, chance

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))
READERS = {AxiId.FETCH: "fetch", AxiId.LOAD: "load", AxiId.STORE: "store_read"}
OKAY_RESPONSES, ERROR_RESPONSES = (0, 1), (2, 3)
"""OKAY and EXOKAY; SLVERR and DECERR."""
Burst = dict[str, int]


def payload(signature: Any, member: str) -> Any:
    return signature.members[member].signature.members["payload"].shape


class Slave:
    """An AXI4 memory: addresses, data and answers at random times, read data of different ids interleaved."""

    def __init__(self, bench: PortBench, memory: Memory) -> None:
        self.bench, self.memory = bench, memory
        signature = Axi4(CONFIG)
        axi = bench.port.axi
        self.ar, self.r, self.aw, self.w, self.b = (
            Stream(getattr(axi, name), payload(signature, name)) for name in ("ar", "r", "aw", "w", "b")
        )
        self.reads: dict[int, deque[tuple[int, bool]]] = {who: deque() for who in AxiId}
        self.outstanding: dict[int, int] = dict.fromkeys(AxiId, 0)
        self.writes: deque[Burst] = deque()
        self.data: deque[Burst] = deque()
        self.beats_after_abort: list[Burst] = []
        self.accepted_after_abort = 0

    @property
    def at_rest(self) -> bool:
        return not (any(self.reads.values()) or self.writes or self.data or self.b_offered or self.r_offered)

    def aborting(self) -> bool:
        return bool(self.bench.port.abort.value)

    async def serve(self) -> None:
        bench = self.bench
        self.r_offered = self.b_offered = False
        ar_ready = aw_ready = w_ready = False
        while True:
            await bench.edge
            if ar_ready and self.ar.valid.value:
                self._accept_read(self.ar.sample())
            if aw_ready and self.aw.valid.value:
                burst = self.aw.sample()
                self.memory.check_burst(burst["addr"], burst["len"] + 1)
                assert burst["id"] == AxiId.STORE
                self.writes.append(burst)
                self.accepted_after_abort += self.aborting()
            if w_ready and self.w.valid.value:
                self.data.append(self.w.sample())
                if self.aborting():
                    self.beats_after_abort.append(self.data[-1])
            if self.r_offered and self.r.ready.value:
                self.r_offered = False
            if self.b_offered and self.b.ready.value:
                self.b_offered = False
            self._offer_read()
            self._offer_answer()
            ar_ready, aw_ready, w_ready = (bench.willing() for _ in range(3))
            self.ar.ready.value, self.aw.ready.value, self.w.ready.value = ar_ready, aw_ready, w_ready

    def _accept_read(self, burst: Burst) -> None:
        beats, who = burst["len"] + 1, burst["id"]
        self.memory.check_burst(burst["addr"], beats)
        self.accepted_after_abort += self.aborting()
        self.outstanding[who] += 1
        assert self.outstanding[who] <= CONFIG.max_bursts
        self.reads[who].extend((burst["addr"] + k * CONFIG.bus_bytes, k == beats - 1) for k in range(beats))

    def _offer_read(self) -> None:
        waiting = [who for who, beats in self.reads.items() if beats]
        if not self.r_offered and waiting and self.bench.willing():
            who = random.choice(waiting)
            place, last = self.reads[who].popleft()
            self.outstanding[who] -= last
            value = int.from_bytes(self.memory.read(place, CONFIG.bus_bytes), "little")
            response = random.choice(ERROR_RESPONSES if is_bad(place) else OKAY_RESPONSES)
            self.r.drive({"data": value, "resp": response, "last": last, "id": who})
            self.r_offered = True
        self.r.valid.value = self.r_offered

    def _offer_answer(self) -> None:
        whole = self.writes and len(self.data) > self.writes[0]["len"]
        if not self.b_offered and whole and self.bench.willing():
            burst = self.writes.popleft()
            bad = False
            for k in range(burst["len"] + 1):
                beat, place = self.data.popleft(), burst["addr"] + k * CONFIG.bus_bytes
                assert beat["last"] == (k == burst["len"])
                lanes = [lane for lane in range(CONFIG.bus_bytes) if beat["strb"] >> lane & 1]
                for lane in lanes:
                    self.memory.write(place + lane, bytes([beat["data"] >> 8 * lane & 255]))
                bad |= is_bad(place)
            self.b.drive({"resp": random.choice(ERROR_RESPONSES if bad else OKAY_RESPONSES), "id": burst["id"]})
            self.b_offered = True
        self.b.valid.value = self.b_offered


def is_bad(place: int) -> bool:
    return place // CONFIG.bus_bytes % 31 == 7


class PortBench(Bench):
    def __init__(self, dut: Any, *, eagerness: float) -> None:
        super().__init__(dut, eagerness=eagerness)
        self.port = Ports(dut, "port")

    async def begin(self, *, reads: int, writes: int) -> None:
        """Reset, then let every client do so many bursts in the background."""
        port = self.port
        self.base = random.getrandbits(32) // AXI_BOUNDARY_BYTES * AXI_BOUNDARY_BYTES
        self.memory = Memory(CONFIG, seed=random.getrandbits(30))
        self.expected_memory = Memory(CONFIG, seed=self.memory.seed)
        clients = [getattr(port, name) for name in READERS.values()]
        await self.reset(
            *(signal for client in clients for signal in (client.request.valid, client.beat.ready)),
            port.store_write.request.valid, port.store_write.beat.valid, port.abort,
            port.axi.ar.ready, port.axi.r.valid, port.axi.aw.ready, port.axi.w.ready, port.axi.b.valid,
        )  # fmt: skip
        port.base.value = self.base
        self.slave = Slave(self, self.memory)
        self.start(self.slave.serve(), self.count_beats())
        self.start(*map(self.watch, (self.slave.ar, self.slave.aw, self.slave.w)))
        self.clients = self.start(*(self.read(client, reads) for client in clients), self.write(writes))

    def random_burst(self, region: int) -> Burst:
        """A burst that crosses no boundary, somewhere in the 64 KB of `region`."""
        beats = random.choice([1, 2, CONFIG.burst_beats, random.randint(1, CONFIG.burst_beats)])
        page = region << 16 | random.randrange(16) * AXI_BOUNDARY_BYTES
        place = random.randrange(AXI_BOUNDARY_BYTES // CONFIG.bus_bytes - beats + 1)
        return {"addr": page + place * CONFIG.bus_bytes, "beats_minus_one": beats - 1}

    def on_bus(self, burst: Burst) -> list[int]:
        start = (burst["addr"] + self.base) % (1 << 32)
        return [start + k * CONFIG.bus_bytes for k in range(burst["beats_minus_one"] + 1)]

    async def read(self, client: Any, bursts: int) -> None:
        """Ask for bursts; all their beats come, in order and without damage."""
        signature = ReadClient(CONFIG)
        asked = [self.random_burst(1) for _ in range(bursts)]

        async def ask() -> None:
            for burst in asked:
                await self.put(Stream(client.request, payload(signature, "request")), burst)

        self.start(ask())
        beats = Stream(client.beat, payload(signature, "beat"))
        for burst in asked:
            places = self.on_bus(burst)
            for place in places:
                value = int.from_bytes(self.memory.read(place, CONFIG.bus_bytes), "little")
                expected = {"data": value, "last": place == places[-1], "error": is_bad(place)}
                assert await self.get(beats) == expected

    async def write(self, bursts: int) -> None:
        """Write bursts; each is answered, in order, and the bytes with a strobe are in memory at the end."""
        signature = WriteClient(CONFIG)
        client = self.port.store_write
        requests, beats = (Stream(getattr(client, name), payload(signature, name)) for name in ("request", "beat"))
        asked = [self.random_burst(2) for _ in range(bursts)]

        async def send() -> None:
            for burst in asked:
                await self.put(requests, burst)
                for place in self.on_bus(burst):
                    last = place == self.on_bus(burst)[-1]
                    value, strobes = random.getrandbits(CONFIG.bus_bits), random.getrandbits(CONFIG.bus_bytes)
                    for lane in range(CONFIG.bus_bytes):
                        if strobes >> lane & 1:
                            self.expected_memory.write(place + lane, bytes([value >> 8 * lane & 255]))
                    await self.put(beats, {"data": value, "strb": strobes, "last": last})

        self.start(send())
        for burst in asked:
            await self.until(lambda: client.done.value)
            assert bool(client.error.value) == any(map(is_bad, self.on_bus(burst)))

    async def count_beats(self) -> None:
        """`read_beat` and `write_beat` are high exactly at transfers."""
        port = self.port
        while True:
            await self.edge
            for beat, channel in ((port.read_beat, port.axi.r), (port.write_beat, port.axi.w)):
                assert bool(beat.value) == bool(channel.valid.value and channel.ready.value)

    async def finish(self) -> None:
        await self.until(lambda: all(client.done() for client in self.clients))
        for address, value in self.expected_memory.bytes.items():
            assert self.memory.byte(address) == value
        assert self.slave.at_rest


@cocotb.test()
@cocotb.parametrize(eagerness=[0.3, 0.8, 1.0])
async def every_client_gets_its_own(dut: Any, eagerness: float) -> None:
    bench = PortBench(dut, eagerness=eagerness)
    await bench.begin(reads=40, writes=40)
    await bench.finish()


@cocotb.test()
async def an_abort_at_any_cycle_completes_what_is_in_flight_and_no_more(dut: Any) -> None:
    bench = PortBench(dut, eagerness=0.7)
    port = bench.port
    for _ in range(15):
        reads, writes = random.choice([(40, 40), (40, 0), (0, 40)])
        await bench.begin(reads=reads, writes=writes)
        for _ in range(random.randrange(1, 200)):
            await bench.edge
        if writes and chance(0.5):
            await bench.until(lambda: port.axi.w.valid.value or bench.clients[-1].done())
        port.abort.value = 1
        for client in bench.clients:
            client.cancel()
        await bench.edge
        held = int(port.axi.w.valid.value)
        await bench.until(lambda: port.drained.value)
        assert bench.slave.at_rest
        assert bench.slave.accepted_after_abort <= 2, "an address on each channel may have been waiting"
        assert not any(beat["strb"] for beat in bench.slave.beats_after_abort[1 + held :])
        for name in READERS.values():
            assert not getattr(port, name).beat.valid.value
        for _ in range(20):
            await bench.edge
            assert port.drained.value
            assert not (port.axi.ar.valid.value or port.axi.aw.valid.value or port.axi.w.valid.value)
        await bench.begin(reads=5, writes=5)
        await bench.finish()
