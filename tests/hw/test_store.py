"""The store unit against the docstrings of STORE, PARAM and POST, written out element by element."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import Module

from dovetail.hw.output import OutputPipeline
from dovetail.hw.store import StoreUnit
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import (
    Format,
    Instruction,
    Param,
    Post,
    Store,
    Sync,
    Unit,
    rne,
    saturate32,
    store_bytes,
)
from dovetail.isa.registers import Activity
from tests.hw.dma_bench import CONFIG_NAMES, Memory, put, simulate, watch

CONFIGS = {name: load_config(name) for name in CONFIG_NAMES} | {
    "narrow entries": Config(block_in=4, block_out=4, out_lanes=4, bus_bits=128, max_bursts=1, burst_beats=2),
    "a group a vector": Config(block_in=8, block_out=16, out_lanes=16, bus_bits=128, burst_beats=1),
}
Bytes = dict[int, int]
GROUPS = 400
REGION = 0x1_0000
"""Programs keep to this much memory, so that their transfers meet."""


@dataclass
class Outcome:
    pushes: list[Bytes] = field(default_factory=list)
    faults: list[tuple[int, int]] = field(default_factory=list)
    pop_cycles: list[int] = field(default_factory=list)
    activities: list[int] = field(default_factory=list)
    cycles: int = 0


def execute(
    config: Config,
    program: list[Instruction],
    memory: Memory,
    accumulators: list[list[int]],
    *,
    grants: float = 1.0,
    tokens: Callable[[int], bool] = lambda cycle: True,
    until_fault: bool = False,
) -> Outcome:
    """Run `program` to its end. `grants` is a probability; `tokens` says in which cycles tokens can be exchanged."""
    unit = StoreUnit(config)
    m = Module()
    m.submodules.unit = unit
    rng = random.Random(memory.seed)
    words = [sum((x & 0xFFFF_FFFF) << 32 * k for k, x in enumerate(vector)) for vector in accumulators]
    outcome = Outcome()

    async def feed(ctx: Any) -> None:
        for index, instruction in enumerate(program):
            await put(ctx, unit.instructions, {"word": instruction.encode(config), "index": index})

    async def serve(ctx: Any) -> None:
        """Accumulators and tokens."""
        grant = exchange = False
        await ctx.tick()
        while True:
            (
                _, _, request, index, idle, push, reserve, pop, fault, fault_index, fault_write, activity,
            ) = await ctx.tick().sample(
                unit.acc_request, unit.acc_index, unit.idle, unit.to_compute.push, unit.to_compute.reserve,
                unit.from_compute.pop, unit.fault, unit.fault_index, unit.fault_write, unit.activity,
            )  # fmt: skip
            outcome.cycles += 1
            outcome.activities.append(activity)
            assert not (pop or reserve) or exchange
            if pop:
                outcome.pop_cycles.append(outcome.cycles)
            if push:
                outcome.pushes.append(dict(memory.bytes))
            if fault:
                outcome.faults.append((fault_index, fault_write))
            if idle or (fault and until_fault):
                return
            assert outcome.cycles < 60_000
            ctx.set(unit.acc_data, words[index] if request and grant else rng.getrandbits(config.acc_bytes * 8))
            grant, exchange = rng.random() < grants, tokens(outcome.cycles)
            ctx.set(unit.acc_grant, grant)
            ctx.set(unit.from_compute.available, exchange)
            ctx.set(unit.to_compute.room, exchange)

    simulate(
        m,
        feed,
        memory.serve_reads(unit.read),
        memory.serve_writes(unit.write),
        watch(unit.read.request),
        watch(unit.write.request),
        watch(unit.write.beat),
        main=serve,
    )
    return outcome


class Machine:
    """What the program does, in plain Python, to a copy of the memory."""

    def __init__(self, config: Config, memory: Memory, accumulators: list[list[int]]) -> None:
        self.config = config
        self.memory = Memory(config, seed=memory.seed)
        self.memory.bytes = dict(memory.bytes)
        self.accumulators = accumulators
        self.records = [(0, 0, 0)] * config.block_out
        self.post = Post(minimum=0, maximum=0)

    def step(self, instruction: Instruction) -> Bytes:
        """Execute one instruction; the bytes that it writes."""
        written: Bytes = {}
        if isinstance(instruction, Param):
            self.records = []
            for k in range(self.config.block_out):
                record = self.memory.read(instruction.dram + 16 * k, 9)
                bias, multiplier = (int.from_bytes(record[i : i + 4], "little", signed=True) for i in (0, 4))
                self.records.append((bias, multiplier, record[8] & 63))
        elif isinstance(instruction, Post):
            self.post = instruction
        elif isinstance(instruction, Store):
            written = self.store(instruction)
            self.memory.bytes |= written
        return written

    def store(self, store: Store) -> Bytes:
        written = {}
        size = store_bytes(self.config, store.format)
        for row in range(store.rows):
            for col in range(store.cols):
                at = store.dram + (row * store.stride + col) * size
                vector = self.accumulators[(store.sram + row * store.sram_stride + col) % self.config.acc_depth]
                if store.format is Format.RAW:
                    values = b"".join((x & 0xFFFF_FFFF).to_bytes(4, "little") for x in vector)
                else:
                    values = bytes(self.finish(store, x, lane, at + lane) & 255 for lane, x in enumerate(vector))
                written |= {(at + k) % (1 << 32): value for k, value in enumerate(values)}
        return written

    def finish(self, store: Store, x: int, lane: int, address: int) -> int:
        bias, multiplier, shift = self.records[lane % self.config.block_out]
        post = self.post
        q = saturate32(rne(saturate32(x + bias) * multiplier, shift))
        r = 0
        if store.residual:
            byte = self.memory.byte(address + post.residual_offset)
            residual = byte - 256 * (byte > 127)
            r = saturate32(rne((residual - post.res_zero) * post.res_multiplier, post.res_shift))
        y = rne(q + r, post.fraction) + post.zero_point
        return min(max(y, post.minimum), post.maximum)


def random_accumulators(config: Config, rng: random.Random) -> list[list[int]]:
    lanes = config.acc_bytes // 4
    return [[rng.randrange(-(1 << 20), 1 << 20) for _ in range(lanes)] for _ in range(config.acc_depth)]


def write_records(config: Config, memory: Memory, address: int, rng: random.Random) -> None:
    """Records that bring accumulators of 20 bits into the int8 range."""
    for k in range(config.block_out):
        bias, multiplier = rng.randrange(-(1 << 18), 1 << 18), rng.randrange(-(1 << 31), 1 << 31)
        shift = rng.randrange(42, 46) | rng.randrange(4) << 6
        values = b"".join((value & 0xFFFF_FFFF).to_bytes(4, "little") for value in (bias, multiplier))
        memory.write(address + 16 * k, values + bytes([shift]))


def random_program(config: Config, memory: Memory, rng: random.Random, length: int) -> list[Instruction]:
    """Stores that overlap, residuals and records that earlier stores wrote, tokens everywhere."""
    program: list[Instruction] = []
    record_places = [REGION + k * config.param_bytes for k in range(3)]
    for place in record_places:
        write_records(config, memory, place, rng)
    entry = min(config.out_bytes, config.bus_bytes)
    while len(program) < length:
        flags = {"pop_prev": rng.random() < 0.3, "push_prev": rng.random() < 0.4}
        kind = rng.random()
        if kind < 0.15:
            place = rng.choice([*record_places, rng.randrange(0, 64) * config.bus_bytes])
            program.append(Param(dram=place, **flags))
        elif kind < 0.3:
            program.append(
                Post(
                    zero_point=rng.randrange(-128, 128), minimum=rng.randrange(-128, 0), maximum=rng.randrange(0, 128),
                    fraction=rng.randrange(3), res_zero=rng.randrange(-128, 128),
                    res_multiplier=rng.randrange(-(1 << 15), 1 << 15), res_shift=rng.randrange(8, 16),
                    residual_offset=rng.choice([0, entry, 7 * entry, (1 << 32) - 0x2000 + 3 * entry]), **flags,
                )
            )  # fmt: skip
        elif kind < 0.4:
            program.append(Sync(target=Unit.STORE, **flags))
        else:
            format = rng.choice([Format.OUT, Format.OUT, Format.RAW])
            align = min(store_bytes(config, format), config.bus_bytes)
            near = rng.choice([0, 0x1000 - 2 * align, (1 << 32) - 2 * align])
            rows, cols = rng.choice([(1, rng.randrange(1, 20)), (rng.randrange(1, 6), rng.randrange(1, 6))])
            if store_bytes(config, format) > 64:
                rows, cols = min(rows, 2), min(cols, 3)
            program.append(
                Store(
                    format=format, residual=format is Format.OUT and rng.random() < 0.4,
                    sram=rng.randrange(config.acc_depth), sram_stride=rng.randrange(config.acc_depth),
                    dram=(near + rng.randrange(16) * align) % (1 << 32), rows=rows, cols=cols,
                    stride=rng.randrange(cols, 12 + cols), **flags,
                )
            )  # fmt: skip
    return program


@pytest.mark.parametrize("eagerness", [0.4, 1.0])
@pytest.mark.parametrize("name", CONFIGS)
def test_random_programs(name: str, eagerness: float) -> None:
    config = CONFIGS[name]
    rng = random.Random(f"{name} {eagerness}")
    memory = Memory(config, seed=rng.randrange(1 << 30), latency=rng.randrange(1, 30), eagerness=eagerness)
    accumulators = random_accumulators(config, rng)
    program: list[Instruction] = [Param(dram=REGION), *random_program(config, memory, rng, 12)]
    machine = Machine(config, memory, accumulators)
    outcome = execute(
        config, program, memory, accumulators, grants=eagerness, tokens=lambda cycle: rng.random() < eagerness
    )

    writes = [machine.step(instruction) for instruction in program]
    for address, value in machine.memory.bytes.items():
        assert memory.byte(address) == value
    assert set(memory.bytes) <= set(machine.memory.bytes) | {
        address + k for address, beats in memory.bursts for k in range(beats * config.bus_bytes)
    }

    assert len(outcome.pop_cycles) == sum(instruction.pop_prev for instruction in program)
    pushes = iter(outcome.pushes)
    so_far: Bytes = {}
    for k, instruction in enumerate(program):
        so_far |= writes[k]
        if instruction.push_prev:
            later = set[int]().union(*writes[k + 1 :])
            seen = next(pushes)
            assert all(seen[address] == value for address, value in so_far.items() if address not in later)
    assert next(pushes, None) is None


def stores(config: Config, count: int, *, cols: int, rows: int = 1, **fields: Any) -> list[Instruction]:
    distance = 1 << (rows * cols * config.acc_bytes).bit_length()
    return [
        Store(sram=0, dram=0x8000 + k * distance, rows=rows, cols=cols, stride=cols, **fields) for k in range(count)
    ]


def test_param_and_post_do_not_wait_for_the_next_stores_token() -> None:
    config = CONFIGS["tiny"]
    rng = random.Random(1)
    memory = Memory(config, seed=1, latency=20)
    program = [Param(dram=0), Post(), Store(format=Format.OUT, sram=0, dram=0x8000, cols=1, pop_prev=True)]
    outcome = execute(config, program, memory, random_accumulators(config, rng), tokens=lambda cycle: cycle > 100)
    assert memory.bursts[0] == (0, config.param_bytes // config.bus_bytes)
    assert outcome.activities[90] == Activity.WAIT_PREV
    assert outcome.cycles < 100 + OutputPipeline.LATENCY + 40


@pytest.mark.parametrize("name", ["default", "batch8", "small"])
def test_a_group_a_cycle(name: str) -> None:
    """Long stores, and one after the other, with a residual or without, at 64 cycles of latency."""
    config = CONFIGS[name]
    rng = random.Random(1)
    accumulators = random_accumulators(config, rng)
    groups = config.batch * config.block_out // config.out_lanes
    cols = GROUPS // groups
    for residual in (False, True):
        program = stores(config, 2, format=Format.OUT, cols=cols // 4, rows=4, residual=residual)
        outcome = execute(config, program, Memory(config, seed=1, latency=64), accumulators)
        answers = 4 if residual else 1
        assert outcome.cycles <= 2 * GROUPS + 64 * answers + 3 * config.burst_beats


def test_raw_stores_fill_the_bus() -> None:
    config = CONFIGS["default"]
    accumulators = random_accumulators(config, random.Random(1))
    program = stores(config, 2, cols=200, format=Format.RAW)
    outcome = execute(config, program, Memory(config, seed=1, latency=64), accumulators)
    assert outcome.cycles <= 2 * 200 * config.acc_bytes // config.bus_bytes + 64 + 80


@pytest.mark.parametrize(("bad", "expected"), [(0x2000, (0, 0)), (0x8000 + 70, (3, 1)), (0x4000, (2, 0))])
def test_an_error_names_its_instruction(bad: int, expected: tuple[int, int]) -> None:
    config = CONFIGS["tiny"]
    accumulators = random_accumulators(config, random.Random(1))
    program: list[Instruction] = [
        Param(dram=0x2000),
        Post(residual_offset=0x1000),
        Store(format=Format.OUT, sram=0, dram=0x3000, cols=9, residual=True),
        Store(format=Format.RAW, sram=0, dram=0x8000, cols=20),
        Store(format=Format.OUT, sram=0, dram=0x9000, cols=20),
    ]
    memory = Memory(config, seed=1, bad=bad)
    assert execute(config, program, memory, accumulators, until_fault=True).faults == [expected]
