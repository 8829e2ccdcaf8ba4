"""The store unit's Verilog under random traffic, against the model of the STORE, PARAM and POST docstrings."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb

from dovetail.hw.interfaces import dispatched
from dovetail.isa.config import BYTE_BITS
from dovetail.isa.instructions import Format, Instruction, Param, Post, Store
from tests.hw.dma_bench import Memory
from tests.hw.test_store import REGION, Bytes, Machine, random_accumulators, random_program

from .memory import serve_reads, serve_writes
from .simulate import CONFIG_VARIABLE, configuration
from .streams import Bench, Ports, Stream, Tokens
from .transfers import transfers

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))


class Case:
    """A program, the accumulators and the memory that it works on, and what it should make of them.

    Without a program, it is a random one of `length` instructions.
    """

    def __init__(self, length: int = 0, program: list[Instruction] | None = None) -> None:
        rng = random.Random(random.getrandbits(32))
        self.memory = Memory(CONFIG, seed=rng.getrandbits(30), latency=rng.choice([1, 3, rng.randrange(1, 60)]))
        self.accumulators = random_accumulators(CONFIG, rng)
        self.program = program or [Param(dram=REGION), *random_program(CONFIG, self.memory, rng, length)]
        self.machine = Machine(CONFIG, self.memory, self.accumulators)
        self.writes = [self.machine.step(instruction) for instruction in self.program]


class StoreBench(Bench):
    def __init__(self, dut: Any, *, eagerness: float) -> None:
        super().__init__(dut, eagerness=eagerness)
        self.unit = Ports(dut, "store")
        self.instructions = Stream(self.unit.instructions, dispatched())
        self.pushes: list[Bytes] = []

    async def begin(self, case: Case) -> None:
        """Reset, then run the program in the background."""
        unit, memory = self.unit, case.memory
        self.pushes = []
        self.tokens = Tokens(self, {"from_compute": unit.from_compute}, {"to_compute": unit.to_compute})
        await self.reset(
            unit.instructions.valid, unit.read.request.ready, unit.read.beat.valid, unit.write.request.ready,
            unit.write.beat.ready, unit.write.done, unit.acc_grant, *self.tokens.inputs,
        )  # fmt: skip
        self.start(
            self.tokens.serve(lambda _: self.pushes.append(dict(memory.bytes))),
            self.serve_accumulators(case.accumulators),
            serve_reads(self, unit.read, memory),
            serve_writes(self, unit.write, memory),
            self.watch(Stream(unit.read.request)),
            self.watch(Stream(unit.write.request)),
            self.watch(Stream(unit.write.beat)),
        )
        (self.feeding,) = self.start(self.feed(case.program))

    async def feed(self, program: list[Instruction]) -> None:
        for index, instruction in enumerate(program):
            await self.put(self.instructions, {"word": instruction.encode(CONFIG), "index": index})
        await self.edge

    async def serve_accumulators(self, accumulators: list[list[int]]) -> None:
        """A read port that is granted now and then; without a granted request its data is garbage."""
        unit, granted = self.unit, False
        words = [sum((x & 0xFFFF_FFFF) << 32 * k for k, x in enumerate(vector)) for vector in accumulators]
        while True:
            await self.edge
            reads = granted and unit.acc_request.value
            garbage = random.getrandbits(CONFIG.acc_bytes * BYTE_BITS)
            unit.acc_data.value = words[int(unit.acc_index.value)] if reads else garbage
            unit.acc_grant.value = granted = self.willing()

    async def run(self, case: Case) -> None:
        await self.begin(case)
        await self.until(lambda: self.feeding.done() and self.unit.idle.value)
        assert not self.unit.fault.value


def check(bench: StoreBench, case: Case) -> None:
    """Memory, tokens, and what memory held at each token."""
    expected = case.machine.memory
    for address in set(case.memory.bytes) | set(expected.bytes):
        assert case.memory.byte(address) == expected.byte(address), f"byte {address:#x}"
    assert bench.tokens.pops["from_compute"] == sum(instruction.pop_prev for instruction in case.program)

    pushes = iter(bench.pushes)
    so_far: Bytes = {}
    for k, instruction in enumerate(case.program):
        so_far |= case.writes[k]
        if instruction.push_prev:
            later = set[int]().union(*case.writes[k + 1 :])
            seen = next(pushes)
            assert all(seen[address] == value for address, value in so_far.items() if address not in later)
    assert next(pushes, None) is None


@cocotb.test()
@cocotb.parametrize(eagerness=[0.3, 0.8, 1.0])
async def accumulators_reach_memory(dut: Any, eagerness: float) -> None:
    bench = StoreBench(dut, eagerness=eagerness)
    for _ in range(4):
        case = Case(30)
        await bench.run(case)
        check(bench, case)


@cocotb.test()
async def parameters_and_residuals_are_what_earlier_stores_wrote(dut: Any) -> None:
    bench = StoreBench(dut, eagerness=1.0)
    raw, once = max(1, CONFIG.param_bytes // CONFIG.acc_bytes), {"sram": 0, "dram": 0x8000, "cols": 3}
    for _ in range(4):
        program: list[Instruction] = [Post(fraction=1, res_multiplier=1, residual_offset=0)]
        for place in random.sample(range(CONFIG.acc_depth - raw), 6):
            program.append(Store(format=Format.RAW, sram=place, dram=REGION, cols=raw))
            program += [Param(dram=REGION), Store(format=Format.OUT, **once)]
            program += [Store(format=Format.OUT, residual=True, **once)] * random.randrange(1, 3)
        case = Case(program=program)
        await bench.run(case)
        check(bench, case)


@cocotb.test()
async def an_error_names_the_first_instruction_that_it_belongs_to(dut: Any) -> None:
    bench = StoreBench(dut, eagerness=0.7)
    for _ in range(8):
        case = Case(12)
        moved = transfers(CONFIG, case.program)
        case.memory.bad = random.choice(sorted(set[int]().union(*(transfer.beats for transfer in moved))))
        await bench.begin(case)
        await bench.until(lambda: bench.unit.fault.value)
        first = next(transfer for transfer in moved if case.memory.bad in transfer.beats)
        assert int(bench.unit.fault_index.value) == first.index
        assert bool(bench.unit.fault_write.value) == first.write


@cocotb.test()
async def a_reset_at_any_cycle_leaves_nothing_behind(dut: Any) -> None:
    bench = StoreBench(dut, eagerness=0.8)
    for _ in range(6):
        await bench.begin(Case(30))
        for _ in range(random.randrange(1, 500)):
            await bench.edge
        case = Case(8)
        await bench.run(case)
        check(bench, case)
