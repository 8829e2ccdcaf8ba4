"""The memory of the unit benches: `tests.hw.dma_bench.Memory` behind a unit's read and write ports."""

from __future__ import annotations

from collections import deque
from typing import Any

from dovetail.hw.interfaces import ReadClient, WriteClient
from tests.hw.dma_bench import Memory

from .streams import Bench, Stream


async def serve_reads(bench: Bench, ports: Any, memory: Memory) -> None:
    """Answer a `ReadClient`, after `memory.latency` cycles or more; the beat that holds `memory.bad` has an error."""
    size = memory.config.bus_bytes
    members = ReadClient(memory.config).members
    request = Stream(ports.request, members["request"].signature.members["payload"].shape)
    beat = Stream(ports.beat, members["beat"].signature.members["payload"].shape)
    owed: deque[tuple[int, dict[str, int]]] = deque()
    now, accepting, offered = 0, False, False
    while True:
        await bench.edge
        now += 1
        if accepting and request.valid.value:
            asked = request.sample()
            beats = asked["beats_minus_one"] + 1
            memory.check_burst(asked["addr"], beats)
            for k in range(beats):
                place = asked["addr"] + k * size
                value = int.from_bytes(memory.read(place, size), "little")
                fields = {"data": value, "last": k == beats - 1, "error": memory.hits(place, 1)}
                owed.append((now + memory.latency, fields))
        if offered and beat.ready.value:
            owed.popleft()
            offered = False
        if not offered and owed and owed[0][0] <= now and bench.willing():
            offered = True
            beat.drive(owed[0][1])
        beat.valid.value = offered
        request.ready.value = accepting = bench.willing()


async def serve_writes(bench: Bench, ports: Any, memory: Memory) -> None:
    """Serve a `WriteClient` and check that its data comes as its requests said.

    Bytes change when the answer is given, so that whoever does not wait for it sees the old ones.
    """
    size, limit = memory.config.bus_bytes, memory.config.max_bursts
    members = WriteClient(memory.config).members
    request = Stream(ports.request, members["request"].signature.members["payload"].shape)
    beat = Stream(ports.beat, members["beat"].signature.members["payload"].shape)
    owed: deque[tuple[int, bool]] = deque()
    answers: deque[tuple[int, bool, dict[int, int]]] = deque()
    changes: dict[int, int] = {}
    error = accepting = taking = False
    now = in_flight = 0
    while True:
        await bench.edge
        now += 1
        if accepting and request.valid.value:
            asked = request.sample()
            beats = asked["beats_minus_one"] + 1
            memory.check_burst(asked["addr"], beats)
            owed.extend((asked["addr"] + k * size, k == beats - 1) for k in range(beats))
            in_flight += 1
            assert in_flight <= limit
        if taking and beat.valid.value:
            assert owed, "data before its request"
            place, last = owed.popleft()
            fields = beat.sample()
            assert fields["last"] == last
            error |= memory.hits(place, 1)
            for k in range(size):
                if fields["strb"] >> k & 1:
                    changes[(place + k) % (1 << 32)] = fields["data"] >> 8 * k & 255
            if last:
                answers.append((now + memory.latency, error, changes))
                error, changes = False, {}
        done = bool(answers) and answers[0][0] <= now and bench.willing()
        ports.done.value = done
        if done:
            in_flight -= 1
            _, failed, written = answers.popleft()
            ports.error.value = failed
            if not failed:
                memory.bytes |= written
        request.ready.value = accepting = bench.willing()
        beat.ready.value = taking = bench.willing()
