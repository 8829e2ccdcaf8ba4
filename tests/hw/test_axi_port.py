"""The bus port: whose data is whose, the bus's rules, and what an abort leaves behind."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from amaranth.hdl import Module

from dovetail.hw.axi import AxiId, AxiPort
from dovetail.isa.config import Config, load_config
from tests.hw.dma_bench import put, simulate, watch

CONFIGS = {"tiny": load_config("tiny"), "default": load_config("default"), "one burst": Config(max_bursts=1)}
BASE = 0x4000_1000
BAD = 0x0BAD_0000
"""Answers for addresses from here to the next 64 KB are errors."""


class Bus:
    """An AXI4 slave that answers ids in any order, and says what was asked of it."""

    def __init__(self, config: Config, axi: Any, *, seed: int, eagerness: float, latency: int) -> None:
        self.config, self.axi = config, axi
        self.random = random.Random(seed)
        self.eagerness, self.latency = eagerness, latency
        self.reads: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.beats: list[tuple[int, int, int]] = []
        self.open_reads = self.open_writes = 0
        self.most_reads = dict.fromkeys(AxiId, 0)

    def willing(self) -> bool:
        return self.random.random() < self.eagerness

    @staticmethod
    def resp(address: int) -> int:
        return 2 if (address - BASE) % (1 << 32) >> 16 == BAD >> 16 else 0

    async def serve_reads(self, ctx: Any) -> None:
        ar, r = self.axi.ar, self.axi.r
        queues: dict[int, deque[tuple[int, int, int, int]]] = {who: deque() for who in AxiId}
        bursts = dict.fromkeys(AxiId, 0)
        accepting = now = 0
        offered = -1
        async for _, _, valid, addr, length, who, ready in ctx.tick().sample(
            ar.valid, ar.payload.addr, ar.payload.len, ar.payload.id, r.ready
        ):
            now += 1
            if valid and accepting:
                self.reads.append((who, addr, length + 1))
                self.open_reads += 1
                bursts[who] += 1
                self.most_reads[who] = max(self.most_reads[who], bursts[who])
                for k in range(length + 1):
                    beat = addr + k * self.config.bus_bytes
                    queues[who].append((now + self.latency, beat, k == length, self.resp(addr)))
            if offered >= 0 and ready:
                _, _, last, _ = queues[offered].popleft()
                self.open_reads -= last
                bursts[offered] -= last
                offered = -1
            due = [who for who, queue in queues.items() if queue and queue[0][0] <= now]
            if offered < 0 and due and self.willing():
                offered = self.random.choice(due)
                _, beat, last, resp = queues[offered][0]
                ctx.set(r.payload, {"data": beat, "resp": resp, "last": last, "id": offered})
            ctx.set(r.valid, offered >= 0)
            accepting = self.willing()
            ctx.set(ar.ready, accepting)

    async def serve_writes(self, ctx: Any) -> None:
        aw, w, b = self.axi.aw, self.axi.w, self.axi.b
        lengths: deque[tuple[int, int]] = deque()
        finished: deque[int] = deque()
        beats_of_burst = 0
        accepting = taking = answering = False
        async for _, _, valid, addr, length, w_valid, data, strb, last, b_ready in ctx.tick().sample(
            aw.valid, aw.payload.addr, aw.payload.len, w.valid, w.payload.data, w.payload.strb, w.payload.last, b.ready
        ):
            if valid and accepting:
                self.writes.append((addr, length + 1))
                self.open_writes += 1
                lengths.append((addr, length + 1))
            if w_valid and taking:
                self.beats.append((data, strb, last))
                beats_of_burst += 1
                if last:
                    finished.append(beats_of_burst)
                    beats_of_burst = 0
            if answering and b_ready:
                self.open_writes -= 1
                answering = False
            if not answering and finished and lengths and self.willing():
                addr, expected = lengths.popleft()
                assert finished.popleft() == expected
                answering = True
                ctx.set(b.payload, {"resp": self.resp(addr), "id": AxiId.STORE})
            ctx.set(b.valid, answering)
            accepting, taking = self.willing(), self.willing()
            ctx.set(aw.ready, accepting)
            ctx.set(w.ready, taking)


class Bench:
    """A port with a bus behind it, and clients that ask for bursts at random."""

    def __init__(self, config: Config, *, seed: int, eagerness: float, latency: int = 5) -> None:
        self.config = config
        self.port = port = AxiPort(config)
        self.random = random.Random(seed)
        self.eagerness = eagerness
        self.bus = Bus(config, port.axi, seed=seed, eagerness=eagerness, latency=latency)
        self.readers = {AxiId.FETCH: port.fetch, AxiId.LOAD: port.load, AxiId.STORE: port.store_read}
        self.asked: dict[AxiId, list[tuple[int, int]]] = {who: [] for who in AxiId}
        self.heard: dict[AxiId, list[tuple[int, int, int]]] = {who: [] for who in AxiId}
        self.write_bursts: list[tuple[int, int]] = []
        self.write_beats: list[tuple[int, int, int]] = []
        self.answers: list[int] = []

    def burst(self) -> tuple[int, int]:
        page = self.random.choice([0, BAD, 0xFFFF_F000, self.random.randrange(1 << 20) << 12])
        return page, self.random.randrange(self.config.burst_beats) + 1

    def reader(self, who: AxiId, count: int) -> list[Any]:
        client = self.readers[who]

        async def ask(ctx: Any) -> None:
            for _ in range(count):
                addr, beats = self.burst()
                self.asked[who].append((addr, beats))
                await put(ctx, client.request, {"addr": addr, "beats_minus_one": beats - 1})
                while self.random.random() > self.eagerness:
                    await ctx.tick()

        async def hear(ctx: Any) -> None:
            ready = False
            beat = client.beat
            async for _, _, valid, data, last, error in ctx.tick().sample(
                beat.valid, beat.payload.data, beat.payload.last, beat.payload.error
            ):
                if valid and ready:
                    self.heard[who].append((data, last, error))
                ready = self.random.random() < self.eagerness
                ctx.set(beat.ready, ready)

        return [ask, hear]

    def writer(self, count: int) -> list[Any]:
        client = self.port.store_write
        for _ in range(count):
            addr, beats = self.burst()
            self.write_bursts.append((addr, beats))
            for k in range(beats):
                data = self.random.getrandbits(self.config.bus_bits)
                strb = self.random.getrandbits(self.config.bus_bytes) | 1
                self.write_beats.append((data, strb, k == beats - 1))

        async def ask(ctx: Any) -> None:
            for addr, beats in self.write_bursts:
                await put(ctx, client.request, {"addr": addr, "beats_minus_one": beats - 1})

        async def send(ctx: Any) -> None:
            for data, strb, last in self.write_beats:
                await put(ctx, client.beat, {"data": data, "strb": strb, "last": last})

        async def listen(ctx: Any) -> None:
            async for _, _, done, error in ctx.tick().sample(client.done, client.error):
                if done:
                    self.answers.append(error)

        return [ask, send, listen]

    def run(self, main: Any, *, reads: int, writes: int) -> None:
        m = Module()
        m.submodules.port = port = self.port
        m.d.comb += port.base.eq(BASE)
        processes = [self.bus.serve_reads, self.bus.serve_writes]
        processes += [watch(stream) for stream in (port.axi.ar, port.axi.aw, port.axi.w)]
        for who in self.readers:
            processes += self.reader(who, reads)
        simulate(m, *processes, *self.writer(writes), main=main)


def moved(bursts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [((addr + BASE) % (1 << 32), beats) for addr, beats in bursts]


@pytest.mark.parametrize("eagerness", [0.5, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_client_gets_its_own(name: str, eagerness: float) -> None:
    config = CONFIGS[name]
    bench = Bench(config, seed=1, eagerness=eagerness)

    async def main(ctx: Any) -> None:
        for _ in range(20_000):
            await ctx.tick()
            if len(bench.answers) == 12 and all(
                len(bench.heard[who]) == sum(beats for _, beats in bench.asked[who]) > 0 and len(bench.asked[who]) == 12
                for who in AxiId
            ):
                break
        assert not ctx.get(bench.port.drained)

    bench.run(main, reads=12, writes=12)
    for who in AxiId:
        asked = moved(bench.asked[who])
        assert [(addr, beats) for whose, addr, beats in bench.bus.reads if whose == who] == asked
        assert bench.heard[who] == [
            (addr + k * config.bus_bytes, k == beats - 1, Bus.resp(addr) != 0)
            for addr, beats in asked
            for k in range(beats)
        ]
        assert bench.bus.most_reads[who] <= config.max_bursts
    assert bench.bus.writes == moved(bench.write_bursts)
    assert bench.bus.beats == bench.write_beats
    assert bench.answers == [Bus.resp(addr) != 0 for addr, _ in moved(bench.write_bursts)]


@pytest.mark.parametrize("cycle", [3, 20, 55, 56, 57, 140])
@pytest.mark.parametrize("name", ["tiny", "one burst"])
def test_abort_completes_what_is_in_flight_and_no_more(name: str, cycle: int) -> None:
    bench = Bench(CONFIGS[name], seed=cycle, eagerness=0.5)
    bus = bench.bus

    async def main(ctx: Any) -> None:
        await ctx.tick().repeat(cycle)
        ctx.set(bench.port.abort, 1)
        seen = len(bus.beats)
        answered = len(bench.answers)
        started = len(bus.reads) + len(bus.writes)
        waiting = ctx.get(bench.port.axi.ar.valid) + ctx.get(bench.port.axi.aw.valid)
        in_register = ctx.get(bench.port.axi.w.valid)
        _, _, drained = await ctx.tick().sample(bench.port.drained)
        for _ in range(3000):
            if drained:
                break
            _, _, drained = await ctx.tick().sample(bench.port.drained)
        assert drained
        assert bus.open_reads == bus.open_writes == 0
        assert len(bus.reads) + len(bus.writes) <= started + waiting
        assert len(bench.answers) <= answered + 1
        assert [strb for _, strb, _ in bus.beats[seen + in_register :]] == [0] * (len(bus.beats) - seen - in_register)
        assert len(bus.beats) == sum(beats for _, beats in bus.writes)
        await ctx.tick().repeat(50)
        assert ctx.get(bench.port.drained)
        assert not ctx.get(bench.port.axi.ar.valid) and not ctx.get(bench.port.axi.aw.valid)

    bench.run(main, reads=40, writes=40)


def test_a_beat_a_cycle_each_way() -> None:
    config = CONFIGS["default"]
    bench = Bench(config, seed=1, eagerness=1.0, latency=64)
    reads = writes = 0

    async def main(ctx: Any) -> None:
        nonlocal reads, writes
        await ctx.tick().repeat(200)
        for _ in range(500):
            _, _, read, write = await ctx.tick().sample(bench.port.read_beat, bench.port.write_beat)
            reads, writes = reads + read, writes + write

    bench.run(main, reads=40, writes=40)
    assert reads >= 495
    assert writes >= 495
