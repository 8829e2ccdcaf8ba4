"""The compute unit against the loops of the instructions' docstrings, written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped
from amaranth.sim import Simulator

from dovetail.hw.buffer import BufferMemory
from dovetail.hw.compute import ComputeUnit
from dovetail.hw.interfaces import TokenTake
from dovetail.hw.tokens import TokenQueue
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Gemm, Instruction
from tests.models.compute import Model, pack, random_instruction

CONFIGS = {
    "tiny": load_config("tiny"),
    "deep pipeline": Config(
        block_in=4, block_out=4, inp_depth=64, wgt_depth=32, acc_depth=64, uop_depth=32, out_lanes=4,
        mul_stages=3, add_stages=2,
    ),
    "no adder register": Config(
        block_in=4, block_out=8, batch=2, inp_depth=64, wgt_depth=32, acc_depth=16, uop_depth=32, out_lanes=4,
        mul_stages=1, add_stages=0,
    ),
    "wide input": Config(block_in=8, block_out=4, inp_depth=16, wgt_depth=32, acc_depth=64, uop_depth=32, out_lanes=4),
}  # fmt: skip


class Bench(wiring.Component):
    """The unit with its memories and with token queues whose far ends are the test's."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.unit = ComputeUnit(config)
        self.memories = {
            name: BufferMemory(depth=depth, entry_bits=size * 8)
            for name, depth, size in (
                ("uop", config.uop_depth, config.uop_bytes),
                ("inp", config.inp_depth, config.inp_bytes),
                ("wgt", config.wgt_depth, config.wgt_bytes),
                ("acc", config.acc_depth, config.acc_bytes),
            )
        }
        self.to_load, self.to_store = TokenQueue(config.token_depth), TokenQueue(config.token_depth)
        super().__init__({"load_take": Out(TokenTake()).flip(), "store_take": Out(TokenTake()).flip()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        for name, memory in self.memories.items():
            m.submodules[name] = memory
            connect(m, getattr(self.unit, f"{name}_read"), memory.read)
        connect(m, self.unit.acc_write, self.memories["acc"].write)
        m.submodules.to_load, m.submodules.to_store = self.to_load, self.to_store
        connect(m, self.unit.to_load, self.to_load.give)
        connect(m, self.unit.to_store, self.to_store.give)
        connect(m, self.to_load.take, flipped(self.load_take))
        connect(m, self.to_store.take, flipped(self.store_take))
        return m


def run(config: Config, model: Model, program: list[Instruction], cycles: int = 20000) -> tuple[np.ndarray, list[int]]:
    """Run `program` in the RTL on the model's buffers: the accumulators, and whether each cycle had a GEMM slot."""
    bench = Bench(config)
    slots: list[int] = []
    result = np.empty_like(model.acc)

    async def testbench(ctx) -> None:
        for name, values in (("inp", model.inp), ("wgt", model.wgt), ("acc", model.acc)):
            for index, entry in enumerate(values):
                ctx.set(memories[name][index], pack(entry))
        for index, uop in enumerate(model.uops):
            ctx.set(memories["uop"][index], uop.encode(config))
        port = bench.unit.instructions
        pending = list(enumerate(program))
        quiet = 0
        for _ in range(cycles):
            if pending:
                ctx.set(port.payload.index, pending[0][0])
                ctx.set(port.payload.word, pending[0][1].encode(config))
            ctx.set(port.valid, bool(pending))
            taken = pending and ctx.get(port.ready)
            slots.append(ctx.get(bench.unit.gemm_slot))
            quiet = quiet + 1 if not pending and ctx.get(bench.unit.idle) else 0
            await ctx.tick()
            if taken:
                pending.pop(0)
            if quiet > 2:
                break
        else:
            raise AssertionError(f"still at work after {cycles} cycles")
        for index in range(config.acc_depth):
            value = ctx.get(memories["acc"][index])
            result[index] = np.frombuffer(value.to_bytes(config.acc_bytes, "little"), np.int32).reshape(result[0].shape)

    memories = {name: memory.data for name, memory in bench.memories.items()}
    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return result, slots


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(3))
def test_random_instructions_back_to_back_leave_the_accumulators_that_the_loops_give(name: str, seed: int) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng(seed)
    model = Model(config, rng)
    program = [random_instruction(config, rng) for _ in range(40)]
    with np.errstate(over="ignore"):
        measured, _ = run(config, model, program)
        for instruction in program:
            model.execute(instruction)
    np.testing.assert_array_equal(measured, model.acc)


def test_the_array_gets_a_product_every_cycle_also_across_instructions() -> None:
    config = CONFIGS["tiny"]
    rng = np.random.default_rng(1)
    program = [
        Gemm(overwrite=bool(k % 2), uop_begin=k, uop_count=1 + k % 3, outer=1 + k % 2, inner=1 + k % 5, dst_inner=k % 2)
        for k in range(24)
    ]
    _, slots = run(config, Model(config, rng), program)
    first, last = slots.index(1), len(slots) - slots[::-1].index(1)
    assert sum(slots) == sum(g.outer * g.inner * g.uop_count for g in program)
    assert last - first == sum(slots)


def test_tokens_are_taken_before_and_given_after() -> None:
    config = CONFIGS["tiny"]
    bench = Bench(config)
    unit = bench.unit
    gemm = Gemm(uop_begin=0, uop_count=1, pop_prev=True, pop_next=True, push_prev=True, push_next=True)

    def exchanges(ctx) -> bool:
        gives = (unit.to_load.reserve, unit.to_store.reserve)
        return any(ctx.get(signal) for signal in (unit.from_load.pop, unit.from_store.pop, *gives))

    async def testbench(ctx) -> None:
        ctx.set(unit.instructions.payload.word, gemm.encode(config))
        ctx.set(unit.instructions.valid, 1)
        await ctx.tick().repeat(5)
        assert not exchanges(ctx)
        ctx.set(unit.from_load.available, 1)
        assert not exchanges(ctx)
        ctx.set(unit.from_store.available, 1)
        for _ in range(config.token_depth):
            assert ctx.get(unit.from_load.pop) and ctx.get(unit.from_store.pop)
            await ctx.tick()
        assert not exchanges(ctx), "no room for another token"
        await ctx.tick().repeat(20)
        assert ctx.get(bench.to_load.level) == ctx.get(bench.to_store.level) == config.token_depth

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
