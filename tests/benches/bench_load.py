"""The load unit's Verilog under random traffic, against the model of the LOAD docstring."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb

from dovetail.hw.interfaces import dispatched
from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Instruction, Load, Sync, Unit
from tests.hw.dma_bench import Memory
from tests.hw.test_load import Contents, random_load, reference, write_lanes

from .memory import serve_reads
from .simulate import CONFIG_VARIABLE, configuration
from .streams import Bench, Ports, Stream, Tokens
from .transfers import transfers

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))


def random_program(config: Config, length: int) -> list[Instruction]:
    rng = random.Random(random.getrandbits(32))
    return [
        Sync(target=Unit.LOAD, pop_next=rng.random() < 0.5, push_next=True)
        if rng.random() < 0.2
        else random_load(config, rng)
        for _ in range(length)
    ]


class LoadBench(Bench):
    def __init__(self, dut: Any, *, eagerness: float) -> None:
        super().__init__(dut, eagerness=eagerness)
        self.unit = Ports(dut, "load")
        self.instructions = Stream(self.unit.instructions, dispatched())
        self.tokens = Tokens(self, {"from_compute": self.unit.from_compute}, {"to_compute": self.unit.to_compute})
        self.contents: Contents = {}
        self.pushes: list[Contents] = []

    async def begin(self, program: list[Instruction], memory: Memory) -> None:
        """Reset, then run `program` in the background."""
        unit = self.unit
        self.contents, self.pushes = {}, []
        self.tokens = Tokens(self, self.tokens.takes, self.tokens.gives)
        await self.reset(
            unit.instructions.valid, unit.read.request.ready, unit.read.beat.valid, unit.acc_grant, *self.tokens.inputs
        )
        self.start(
            self.record_writes(),
            self.tokens.serve(lambda _: self.pushes.append(dict(self.contents))),
            serve_reads(self, unit.read, memory),
            self.watch(Stream(unit.read.request)),
        )
        (self.feeding,) = self.start(self.feed(program))

    async def feed(self, program: list[Instruction]) -> None:
        for index, instruction in enumerate(program):
            await self.put(self.instructions, {"word": instruction.encode(CONFIG), "index": index})
        await self.edge

    async def record_writes(self) -> None:
        ports = {buffer: getattr(self.unit, buffer.name.lower()) for buffer in Buffer}
        grant = granted = False
        while True:
            await self.edge
            for buffer, port in ports.items():
                en = int(port.en.value)
                if en:
                    assert buffer is not Buffer.ACC or granted
                    entry, value = int(port.index.value), int(port.data.value)
                    write_lanes(CONFIG, self.contents, buffer, en, entry, value)
            granted = grant
            self.unit.acc_grant.value = grant = self.willing()

    async def run(self, program: list[Instruction], memory: Memory) -> None:
        await self.begin(program, memory)
        await self.until(lambda: self.feeding.done() and self.unit.idle.value)
        assert not self.unit.fault.value


def random_memory() -> Memory:
    return Memory(CONFIG, seed=random.getrandbits(30), latency=random.choice([1, 3, random.randrange(1, 60)]))


def check(bench: LoadBench, program: list[Instruction], memory: Memory) -> None:
    """Buffers, tokens, and what the buffers held at each token."""
    contents: Contents = {}
    history = []
    for instruction in program:
        before = dict(contents)
        if isinstance(instruction, Load):
            reference(CONFIG, instruction, memory, contents)
        history.append((dict(contents), {key for key, value in contents.items() if before.get(key) != value}))
    assert bench.contents == contents
    assert bench.tokens.pops["from_compute"] == sum(instruction.pop_next for instruction in program)

    pushes = iter(bench.pushes)
    for k, instruction in enumerate(program):
        if instruction.push_next:
            later = set[tuple[Buffer, int]]().union(*(changed for _, changed in history[k + 1 :]))
            seen = next(pushes)
            assert all(seen.get(key) == value for key, value in history[k][0].items() if key not in later)
    assert next(pushes, None) is None


@cocotb.test()
@cocotb.parametrize(eagerness=[0.3, 0.8, 1.0])
async def blocks_reach_the_buffers(dut: Any, eagerness: float) -> None:
    bench = LoadBench(dut, eagerness=eagerness)
    program, memory = random_program(CONFIG, 40), random_memory()
    await bench.run(program, memory)
    check(bench, program, memory)


@cocotb.test()
async def an_error_names_the_first_instruction_that_it_belongs_to(dut: Any) -> None:
    bench = LoadBench(dut, eagerness=0.7)
    for _ in range(6):
        program, memory = random_program(CONFIG, 12), random_memory()
        moved = transfers(CONFIG, program)
        memory.bad = random.choice(sorted(set[int]().union(*(transfer.beats for transfer in moved))))
        await bench.begin(program, memory)
        await bench.until(lambda: bench.unit.fault.value)
        first = next(transfer for transfer in moved if memory.bad in transfer.beats)
        assert int(bench.unit.fault_index.value) == first.index


@cocotb.test()
async def a_reset_at_any_cycle_leaves_nothing_behind(dut: Any) -> None:
    bench = LoadBench(dut, eagerness=0.8)
    for _ in range(4):
        await bench.begin(random_program(CONFIG, 40), random_memory())
        for _ in range(random.randrange(1, 400)):
            await bench.edge
        program, memory = random_program(CONFIG, 8), random_memory()
        await bench.run(program, memory)
        check(bench, program, memory)
