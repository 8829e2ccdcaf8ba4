"""What the benches of the DMA units share: a memory with a will of its own, and a watch over streams."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator, TickTrigger

from dovetail.isa.config import Config

CONFIG_NAMES = ("tiny", "default", "batch8", "small")


class Memory:
    """Bytes, the same in every run with the same seed, and reads and writes of them that take their time.

    Parameters
    ----------
    latency:
        Cycles from a request to its answer.
    eagerness:
        Probability, in each cycle, that a handshake which could take place does.
    bad:
        An address inside a burst that is answered with an error.
    """

    def __init__(self, config: Config, *, seed: int, latency: int = 8, eagerness: float = 1.0, bad: int = -1) -> None:
        self.config = config
        self.bytes: dict[int, int] = {}
        self.random = random.Random(seed)
        self.seed = seed
        self.latency = latency
        self.eagerness = eagerness
        self.bad = bad
        self.bursts: list[tuple[int, int]] = []
        self.in_flight = 0

    def byte(self, address: int) -> int:
        address %= 1 << 32
        if address not in self.bytes:
            self.bytes[address] = random.Random(self.seed * 0x1_0000_0001 + address).randrange(256)
        return self.bytes[address]

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.byte(address + k) for k in range(size))

    def write(self, address: int, values: bytes) -> None:
        for k, value in enumerate(values):
            self.bytes[(address + k) % (1 << 32)] = value

    def willing(self) -> bool:
        return self.random.random() < self.eagerness

    def check_burst(self, address: int, beats: int) -> None:
        """What AXI asks of a burst's address and length."""
        assert address % self.config.bus_bytes == 0
        assert beats <= self.config.burst_beats
        assert address // 4096 == (address + beats * self.config.bus_bytes - 1) // 4096
        self.bursts.append((address, beats))

    def hits(self, address: int, beats: int) -> bool:
        return address <= self.bad < address + beats * self.config.bus_bytes

    def serve_reads(self, port: Any) -> Callable[..., Any]:
        """A process that answers the read client `port`."""

        async def process(ctx: Any) -> None:
            beats: deque[tuple[int, int, int, int]] = deque()
            request, beat = port.request, port.beat
            now = offered = accepting = 0
            trigger = ctx.tick().sample(
                request.valid, request.payload.addr, request.payload.beats_minus_one, beat.ready
            )
            async for _, _, valid, address, beats_minus_one, ready in trigger:
                now += 1
                if valid and accepting:
                    self.check_burst(address, beats_minus_one + 1)
                    error = self.hits(address, beats_minus_one + 1)
                    for k in range(beats_minus_one + 1):
                        place = address + k * self.config.bus_bytes
                        value = int.from_bytes(self.read(place, self.config.bus_bytes), "little")
                        beats.append((now + self.latency, value, k == beats_minus_one, error))
                if offered and ready:
                    beats.popleft()
                    offered = 0
                if not offered and beats and beats[0][0] <= now and self.willing():
                    offered = 1
                    _, value, last, error = beats[0]
                    ctx.set(beat.payload.data, value)
                    ctx.set(beat.payload.last, last)
                    ctx.set(beat.payload.error, error)
                ctx.set(beat.valid, offered)
                accepting = int(self.willing())
                ctx.set(request.ready, accepting)

        return process

    def serve_writes(self, port: Any) -> Callable[..., Any]:
        """A process that serves the write client `port`; it checks that data comes as the requests said.

        Bytes change when the answer is given, so that whoever does not wait for it sees the old ones.
        """

        async def process(ctx: Any) -> None:
            owed: deque[tuple[int, bool, bool]] = deque()
            answers: deque[tuple[int, bool, dict[int, int]]] = deque()
            changes: dict[int, int] = {}
            request, beat = port.request, port.beat
            now = accepting = taking = 0
            trigger = ctx.tick().sample(
                request.valid, request.payload.addr, request.payload.beats_minus_one,
                beat.valid, beat.payload.data, beat.payload.strb, beat.payload.last,
            )  # fmt: skip
            async for _, _, valid, address, beats_minus_one, b_valid, value, strobes, last in trigger:
                now += 1
                if valid and accepting:
                    self.check_burst(address, beats_minus_one + 1)
                    self.in_flight += 1
                    assert self.in_flight <= self.config.max_bursts
                    error = self.hits(address, beats_minus_one + 1)
                    for k in range(beats_minus_one + 1):
                        owed.append((address + k * self.config.bus_bytes, k == beats_minus_one, error))
                if b_valid and taking:
                    place, is_last, error = owed.popleft()
                    assert last == is_last
                    for k in range(self.config.bus_bytes):
                        if strobes >> k & 1:
                            changes[(place + k) % (1 << 32)] = value >> 8 * k & 255
                    if is_last:
                        answers.append((now + self.latency, error, changes))
                        changes = {}
                done = bool(answers) and answers[0][0] <= now and self.willing()
                ctx.set(port.done, done)
                if done:
                    self.in_flight -= 1
                    _, error, written = answers.popleft()
                    self.bytes |= written
                    ctx.set(port.error, error)
                accepting, taking = int(self.willing()), int(self.willing())
                ctx.set(request.ready, accepting)
                ctx.set(beat.ready, taking)

        return process


def watch(stream: Any) -> Callable[..., Any]:
    """A process that checks the stream law: once valid, valid and payload hold until the transfer."""

    async def process(ctx: Any) -> None:
        held: int | None = None
        trigger: TickTrigger = ctx.tick().sample(stream.valid, stream.ready, Value.cast(stream.payload))
        async for _, _, valid, ready, payload in trigger:
            if held is not None:
                assert valid, "valid fell before the transfer"
                assert payload == held, "the payload changed before the transfer"
            held = payload if valid and not ready else None

    return process


async def put(ctx: Any, stream: Any, payload: dict[str, int]) -> None:
    """Offer `payload` until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    ready = 0
    while not ready:
        _, _, ready = await ctx.tick().sample(stream.ready)
    ctx.set(stream.valid, 0)


def simulate(design: Any, *processes: Callable[..., Any], main: Callable[..., Any]) -> None:
    """Run `main` to its end, with `processes` in the background."""
    simulator = Simulator(design)
    simulator.add_clock(1e-8)
    for process in processes:
        simulator.add_testbench(process, background=True)
    simulator.add_testbench(main)
    simulator.run()
