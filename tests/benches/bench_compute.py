"""The compute unit's Verilog under random traffic, against the loops of the GEMM and ALU docstrings."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from dovetail.hw.interfaces import dispatched
from dovetail.isa.instructions import Alu, Gemm, Instruction
from tests.models.compute import Model, pack, random_instruction

from .simulate import CONFIG_VARIABLE, configuration
from .streams import Bench, Ports, Stream, Tokens, chance

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))
TAKES = {"from_load": "pop_prev", "from_store": "pop_next"}
GIVES = {"to_load": "push_prev", "to_store": "push_next"}
Accumulators = dict[int, int]


class Case:
    """A program, the buffers that it works on, and the accumulators after each instruction."""

    def __init__(self, length: int) -> None:
        rng = np.random.default_rng(random.getrandbits(64))
        model = Model(CONFIG, rng)
        self.inp, self.wgt = ([pack(entry) for entry in buffer] for buffer in (model.inp, model.wgt))
        self.uop = [uop.encode(CONFIG) for uop in model.uops]
        self.acc = [pack(entry) for entry in model.acc]
        self.program = [with_tokens(random_instruction(CONFIG, rng)) for _ in range(length)]
        self.history: list[tuple[Accumulators, set[int]]] = []
        for instruction in self.program:
            with np.errstate(over="ignore"):
                written = model.execute(instruction)
            self.history.append(({entry: pack(model.acc[entry]) for entry in written}, written))
        self.expected = [pack(entry) for entry in model.acc]


def with_tokens(instruction: Instruction) -> Instruction:
    return replace(instruction, **{flag: chance(0.3) for flag in (*TAKES.values(), *GIVES.values())})


class ComputeBench(Bench):
    def __init__(self, dut: Any, *, eagerness: float) -> None:
        super().__init__(dut, eagerness=eagerness)
        self.unit = Ports(dut, "compute")
        self.instructions = Stream(self.unit.instructions, dispatched())

    async def begin(self, case: Case) -> None:
        """Reset, then run the program in the background."""
        unit = self.unit
        self.acc = list(case.acc)
        self.pushes: dict[str, list[list[int]]] = {name: [] for name in GIVES}
        self.gemm_slots = self.alu_slots = 0
        self.tokens = Tokens(
            self, {name: getattr(unit, name) for name in TAKES}, {name: getattr(unit, name) for name in GIVES}
        )
        await self.reset(unit.instructions.valid, *self.tokens.inputs)
        self.start(
            self.serve_buffers(case),
            self.tokens.serve(lambda name: self.pushes[name].append(list(self.acc))),
            self.count_slots(),
        )
        (self.feeding,) = self.start(self.feed(case.program))

    async def feed(self, program: list[Instruction]) -> None:
        for index, instruction in enumerate(program):
            await self.put(self.instructions, {"word": instruction.encode(CONFIG), "index": index})
        for _ in range(3):
            await self.edge

    async def serve_buffers(self, case: Case) -> None:
        """Buffers with a cycle of latency; a read beside a write of the same entry gives the old one."""
        unit = self.unit
        reads = [
            (unit.uop_read, case.uop),
            (unit.inp_read, case.inp),
            (unit.wgt_read, case.wgt),
            (unit.acc_read, self.acc),
        ]
        while True:
            await self.edge
            for port, entries in reads:
                if port.en.value:
                    port.data.value = entries[int(port.index.value)]
            if unit.acc_write.en.value:
                self.acc[int(unit.acc_write.index.value)] = int(unit.acc_write.data.value)

    async def count_slots(self) -> None:
        while True:
            await self.edge
            self.gemm_slots += int(self.unit.gemm_slot.value)
            self.alu_slots += int(self.unit.alu_slot.value)

    async def run(self, case: Case) -> None:
        await self.begin(case)
        await self.until(lambda: self.feeding.done() and self.unit.idle.value)


def check(bench: ComputeBench, case: Case) -> None:
    """Accumulators, tokens, and what the accumulators held at each token."""
    assert bench.acc == case.expected
    gemms = [x.outer * x.inner * x.uop_count for x in case.program if isinstance(x, Gemm)]
    alus = [x.outer * x.inner * x.uop_count for x in case.program if isinstance(x, Alu)]
    assert bench.gemm_slots == sum(gemms)
    assert sum(alus) <= bench.alu_slots <= 2 * sum(alus)
    for name, flag in TAKES.items():
        assert bench.tokens.pops[name] == sum(getattr(instruction, flag) for instruction in case.program)
    for name, flag in GIVES.items():
        pushes = iter(bench.pushes[name])
        so_far = dict(enumerate(case.acc))
        for k, instruction in enumerate(case.program):
            so_far |= case.history[k][0]
            if getattr(instruction, flag):
                later = set[int]().union(*(written for _, written in case.history[k + 1 :]))
                seen = next(pushes)
                assert all(seen[entry] == value for entry, value in so_far.items() if entry not in later)
        assert next(pushes, None) is None


@cocotb.test()
@cocotb.parametrize(eagerness=[0.3, 0.8, 1.0])
async def accumulators_are_what_the_loops_give(dut: Any, eagerness: float) -> None:
    bench = ComputeBench(dut, eagerness=eagerness)
    for _ in range(6):
        case = Case(40)
        await bench.run(case)
        check(bench, case)


@cocotb.test()
async def a_reset_at_any_cycle_leaves_nothing_behind(dut: Any) -> None:
    bench = ComputeBench(dut, eagerness=0.8)
    for _ in range(10):
        await bench.begin(Case(40))
        for _ in range(random.randrange(1, 300)):
            await bench.edge
        case = Case(8)
        await bench.run(case)
        check(bench, case)
