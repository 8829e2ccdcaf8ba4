"""The load unit against LOAD's docstring, written out entry by entry."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import Module

from dovetail.hw.interfaces import load_lanes
from dovetail.hw.load import LoadUnit
from dovetail.isa.config import BYTE_BITS, Config, load_config
from dovetail.isa.instructions import Buffer, Instruction, Load, Sync, Unit, buffer_depth, element_bits, entry_bytes
from tests.hw.dma_bench import CONFIG_NAMES, Memory, put, simulate, watch

Contents = dict[tuple[Buffer, int], int]
CONFIGS = {name: load_config(name) for name in CONFIG_NAMES} | {
    "entry per beat lane": Config(block_in=4, block_out=4, out_lanes=4, bus_bits=128, max_bursts=1, burst_beats=2),
}


@dataclass
class Outcome:
    """What the machine did: what its buffers hold, cycles, and what they held at each token given."""

    contents: Contents = field(default_factory=dict)
    pushes: list[Contents] = field(default_factory=list)
    push_cycles: list[int] = field(default_factory=list)
    write_cycles: list[int] = field(default_factory=list)
    faults: set[int] = field(default_factory=set)
    activities: list[int] = field(default_factory=list)
    pops: int = 0
    cycles: int = 0


def execute(
    config: Config,
    program: list[Instruction],
    memory: Memory,
    *,
    grants: float = 1.0,
    tokens: float = 1.0,
    until_fault: bool = False,
) -> Outcome:
    """Run `program` to its end; `grants` and `tokens` are probabilities in a cycle."""
    unit = LoadUnit(config)
    m = Module()
    m.submodules.unit = unit
    rng = random.Random(memory.seed)
    outcome = Outcome()

    async def feed(ctx: Any) -> None:
        for index, instruction in enumerate(program):
            await put(ctx, unit.instructions, {"word": instruction.encode(config), "index": index})

    async def observe(ctx: Any) -> None:
        ports = {buffer: getattr(unit, buffer.name.lower()) for buffer in Buffer}
        samples = [signal for port in ports.values() for signal in (port.en, port.index, port.data)]
        grant = granted = available = room = 0
        await ctx.tick()
        while True:
            _, _, *writes, idle, push, reserve, pop, fault, fault_index, activity = await ctx.tick().sample(
                *samples, unit.idle, unit.to_compute.push, unit.to_compute.reserve, unit.from_compute.pop,
                unit.fault, unit.fault_index, unit.activity,
            )  # fmt: skip
            outcome.cycles += 1
            outcome.activities.append(activity)
            assert not (pop and not available) and not (reserve and not room)
            outcome.pops += pop
            for buffer, en, entry, value in zip(Buffer, writes[::3], writes[1::3], writes[2::3], strict=True):
                if en:
                    assert buffer is not Buffer.ACC or granted
                    outcome.write_cycles.append(outcome.cycles)
                    write_lanes(config, outcome.contents, buffer, en, entry, value)
            if push:
                outcome.pushes.append(dict(outcome.contents))
                outcome.push_cycles.append(outcome.cycles)
            if fault:
                outcome.faults.add(fault_index)
            if idle or (fault and until_fault):
                return
            assert outcome.cycles < 60_000
            granted = grant
            grant, available, room = (int(rng.random() < chance) for chance in (grants, tokens, tokens))
            ctx.set(unit.acc_grant, grant)
            ctx.set(unit.from_compute.available, available)
            ctx.set(unit.to_compute.room, room)

    simulate(m, feed, memory.serve_reads(unit.read), watch(unit.read.request), main=observe)
    return outcome


def write_lanes(config: Config, contents: Contents, buffer: Buffer, en: int, entry: int, value: int) -> None:
    size = entry_bytes(config, buffer) * BYTE_BITS
    lanes = load_lanes(config, entry_bytes(config, buffer))
    lane_bits = size // lanes
    mask = sum(((1 << lane_bits) - 1) << k * lane_bits for k in range(lanes) if en >> k & 1)
    contents[buffer, entry] = contents.get((buffer, entry), 0) & ~mask | value & mask


def reference(config: Config, load: Load, memory: Memory, contents: Contents) -> None:
    """`contents` after `load`."""
    size = entry_bytes(config, load.buffer)
    bits = element_bits(config, load.buffer)
    pad = sum((load.pad_value & (1 << bits) - 1) << k for k in range(0, size * BYTE_BITS, bits))
    entry = load.sram
    for row in range(-load.pad_top, load.rows + load.pad_bottom):
        for col in range(-load.pad_left, load.cols + load.pad_right):
            value = pad
            if 0 <= row < load.rows and 0 <= col < load.cols:
                at = load.dram + (row * load.stride + col) * size
                value = int.from_bytes(memory.read(at, size), "little")
            contents[load.buffer, entry] = value
            entry += 1


def random_load(config: Config, rng: random.Random) -> Load:
    """A load that fits its buffer, with bytes enough of DRAM around 0, a 4 KB boundary or somewhere."""
    buffer = rng.choice(list(Buffer))
    size, depth = entry_bytes(config, buffer), buffer_depth(config, buffer)
    while True:
        align = min(size, config.bus_bytes)
        near = rng.choice([0, 0x1000 - 4 * align, 0xFFFF_FFFF - 6 * size, rng.randrange(1 << 32)])
        load = Load(
            buffer=buffer,
            sram=rng.randrange(depth),
            dram=(near + rng.randrange(8) * align) % (1 << 32) // align * align,
            rows=rng.randrange(1, 5),
            cols=rng.choice([1, 2, rng.randrange(1, 12)]),
            stride=rng.randrange(20),
            pad_top=rng.choice([0, 0, 1, 2]),
            pad_bottom=rng.choice([0, 0, 1]),
            pad_left=rng.choice([0, 0, 1, 3]),
            pad_right=rng.choice([0, 0, 2]),
            pad_value=rng.randrange(-128, 128),
            pop_next=rng.random() < 0.3,
            push_next=rng.random() < 0.5,
        )
        if load.sram + load.sram_entries <= depth:
            return load


@pytest.mark.parametrize("eagerness", [0.4, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_random_programs(name: str, eagerness: float) -> None:
    config = CONFIGS[name]
    rng = random.Random(f"{name} {eagerness}")
    program: list[Instruction] = []
    for _ in range(18):
        if rng.random() < 0.2:
            program.append(Sync(target=Unit.LOAD, pop_next=rng.random() < 0.5, push_next=True))
        else:
            program.append(random_load(config, rng))
    memory = Memory(config, seed=rng.randrange(1 << 30), latency=rng.randrange(1, 30), eagerness=eagerness)
    outcome = execute(config, program, memory, grants=eagerness, tokens=eagerness)

    contents: Contents = {}
    history = []
    for instruction in program:
        before = dict(contents)
        if isinstance(instruction, Load):
            reference(config, instruction, memory, contents)
        changed = {key for key, value in contents.items() if before.get(key) != value}
        history.append((instruction.push_next, dict(contents), changed))
    assert outcome.contents == contents
    assert outcome.pops == sum(instruction.pop_next for instruction in program)

    pushes = iter(outcome.pushes)
    for k, (push, expected, _) in enumerate(history):
        if push:
            later = set[tuple[Buffer, int]]().union(*(changed for *_, changed in history[k + 1 :]))
            seen = next(pushes)
            assert all(seen.get(key) == value for key, value in expected.items() if key not in later)
    assert next(pushes, None) is None


def test_a_token_comes_with_the_last_write() -> None:
    config = CONFIGS["tiny"]
    program = [Load(buffer=Buffer.ACC, sram=0, dram=64, cols=3, pad_right=1, push_next=True)]
    outcome = execute(config, program, Memory(config, seed=1), grants=0.3)
    assert outcome.push_cycles == [max(outcome.write_cycles)]


def test_an_error_names_its_instruction() -> None:
    config = CONFIGS["tiny"]
    program = [Load(buffer=Buffer.WGT, sram=0, dram=0x1000 * k, rows=4, cols=2, stride=4) for k in range(5)]
    memory = Memory(config, seed=1, bad=0x3000 + 17)
    assert execute(config, program, memory, until_fault=True).faults == {3}


def test_loads_follow_each_other_without_a_gap() -> None:
    """At 64 cycles of latency the bus is busy in nearly every cycle, across rows and instructions."""
    config = CONFIGS["default"]
    program = [
        Load(buffer=Buffer.INP, sram=60 * k, dram=0x2000 * k, rows=8, cols=28, stride=30, push_next=True)
        for k in range(8)
    ]
    outcome = execute(config, program, Memory(config, seed=1, latency=64))
    beats = 8 * 8 * 28
    assert len(outcome.write_cycles) == beats
    assert outcome.cycles <= beats + 64 + 20


def test_weights_stream_at_a_beat_a_cycle() -> None:
    config = CONFIGS["default"]
    program = [Load(buffer=Buffer.WGT, sram=0, dram=0, cols=64)]
    outcome = execute(config, program, Memory(config, seed=1, latency=64))
    assert outcome.cycles <= 64 * 16 + 64 + 20


def test_padding_takes_a_cycle_an_entry() -> None:
    """Rows of padding come while the first data are on their way; between rows, data wait in the unit."""
    config = CONFIGS["default"]
    program = [
        Load(buffer=Buffer.INP, sram=0, dram=0, rows=20, cols=14, stride=14,
             pad_top=1, pad_bottom=1, pad_left=1, pad_right=1)
    ]  # fmt: skip
    outcome = execute(config, program, Memory(config, seed=1, latency=64))
    assert len(outcome.write_cycles) == 22 * 16
    assert outcome.cycles <= 22 * 16 + 64 + 10
