"""The fetch unit's Verilog under random traffic: what is dispatched, where, and what stops it."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

import cocotb

from dovetail.hw.interfaces import dispatched
from dovetail.isa.config import DRAM_ADDRESS_BITS
from dovetail.isa.instructions import Finish, Unit, decode
from dovetail.isa.program import INSTRUCTION_BYTES
from tests.hw.dma_bench import Memory

from .memory import serve_reads
from .simulate import CONFIG_VARIABLE, configuration
from .streams import Bench, Ports, Stream
from .words import illegal_word, is_legal, legal_word

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))
UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
FINISH = Finish().encode(CONFIG)


@dataclass
class Case:
    """A program in memory; the word `damaged`, if any, cannot be read."""

    words: list[int]
    length: int
    address: int
    memory: Memory
    damaged: int = -1

    @property
    def end(self) -> int:
        """Index of the first instruction that is not dispatched."""
        for index, word in enumerate(self.words[: self.length]):
            if index == self.damaged or word == FINISH or not is_legal(CONFIG, word):
                return index
        return self.length


def make_case(words: list[int], length: int | None = None) -> Case:
    """Place `words` in memory; whatever follows them there is random."""
    near = random.choice([0, 0x1000, 0xFFFF_F000, random.getrandbits(DRAM_ADDRESS_BITS)])
    address = (near - random.randrange(2 * len(words)) * INSTRUCTION_BYTES) % (1 << DRAM_ADDRESS_BITS)
    address -= address % INSTRUCTION_BYTES
    memory = Memory(CONFIG, seed=random.getrandbits(30), latency=random.choice([1, 3, random.randrange(1, 60)]))
    memory.write(address, b"".join(word.to_bytes(INSTRUCTION_BYTES, "little") for word in words))
    return Case(words, len(words) if length is None else length, address, memory)


class FetchBench(Bench):
    def __init__(self, dut: Any, *, eagerness: float) -> None:
        super().__init__(dut, eagerness=eagerness)
        self.unit = Ports(dut, "fetch")
        self.streams = {unit: Stream(getattr(self.unit, unit.name.lower()), dispatched()) for unit in UNITS}

    async def begin(self, case: Case) -> None:
        """Reset and start; what is dispatched is collected in the background."""
        unit = self.unit
        self.taken: list[tuple[int, Unit, int]] = []
        await self.reset(
            unit.start,
            unit.read.request.ready,
            unit.read.beat.valid,
            *(stream.ready for stream in self.streams.values()),
        )
        self.start(
            serve_reads(self, unit.read, case.memory),
            self.watch(Stream(unit.read.request)),
            *(self.watch(stream) for stream in self.streams.values()),
            *(self.collect(name, stream) for name, stream in self.streams.items()),
        )
        unit.program.value, unit.length.value, unit.start.value = case.address, case.length, 1
        await self.edge
        unit.start.value = 0

    async def collect(self, unit: Unit, stream: Stream) -> None:
        while True:
            fields = await self.get(stream)
            self.taken.append((fields["index"], unit, fields["word"]))

    def ended(self) -> bool:
        return bool(self.unit.finished.value or self.unit.illegal.value or self.unit.fault.value)

    async def check(self, case: Case) -> None:
        """Wait for the end: all before it is dispatched in order, each to its unit, and nothing after it."""
        stop = case.end
        fault = stop == case.damaged
        finishes = not fault and stop < case.length and case.words[stop] == FINISH
        await self.until(self.ended)
        for _ in range(random.randrange(100)):
            await self.edge
        unit = self.unit
        expected = [(k, decode(word, CONFIG).unit, word) for k, word in enumerate(case.words[:stop])]
        assert sorted(self.taken) == expected
        assert sorted(self.taken, key=lambda item: item[1]) == sorted(expected, key=lambda item: item[1])
        outcome = bool(unit.finished.value), bool(unit.fault.value), bool(unit.illegal.value)
        assert outcome == (finishes, fault, not finishes and not fault)
        assert int(unit.index.value) == stop


def words(count: int) -> list[int]:
    return [legal_word(CONFIG) for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(eagerness=[0.2, 0.8, 1.0])
async def instructions_go_to_their_units_until_finish(dut: Any, eagerness: float) -> None:
    bench = FetchBench(dut, eagerness=eagerness)
    for _ in range(6):
        case = make_case([*words(random.randrange(90)), FINISH, *words(random.randrange(12))])
        await bench.begin(case)
        await bench.check(case)


@cocotb.test()
async def an_illegal_instruction_stops_the_program_before_it(dut: Any) -> None:
    bench = FetchBench(dut, eagerness=0.8)
    for _ in range(30):
        case = make_case([*words(random.randrange(20)), illegal_word(CONFIG), *words(4), FINISH])
        await bench.begin(case)
        await bench.check(case)


@cocotb.test()
async def a_program_without_finish_is_illegal_at_its_end(dut: Any) -> None:
    bench = FetchBench(dut, eagerness=0.8)
    for length in (0, 1, 2, 7, 8, 9, random.randrange(60)):
        case = make_case([*words(length), FINISH], length=length)
        await bench.begin(case)
        await bench.check(case)


@cocotb.test()
async def an_error_stops_the_program_before_the_instruction_that_it_damaged(dut: Any) -> None:
    bench = FetchBench(dut, eagerness=0.8)
    for _ in range(20):
        case = make_case([*words(random.randrange(1, 60)), FINISH, *words(12)])
        damage(case, random.randrange(case.length))
        await bench.begin(case)
        await bench.check(case)


def damage(case: Case, index: int) -> None:
    """Have one beat of the word answered with an error."""
    place = case.address + index * INSTRUCTION_BYTES + random.randrange(0, INSTRUCTION_BYTES, CONFIG.bus_bytes)
    case.memory.bad = place % (1 << DRAM_ADDRESS_BITS)
    case.damaged = index


@cocotb.test()
async def a_reset_at_any_cycle_leaves_nothing_behind(dut: Any) -> None:
    bench = FetchBench(dut, eagerness=0.8)
    for _ in range(8):
        await bench.begin(make_case([*words(60), FINISH]))
        for _ in range(random.randrange(1, 200)):
            await bench.edge
        case = make_case([*words(random.randrange(20)), FINISH])
        await bench.begin(case)
        await bench.check(case)
