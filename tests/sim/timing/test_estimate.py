"""The estimate is near what the timing simulator counts, which is what the RTL counts."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.building import compile_for_accelerator
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.ops import Conv2dShape
from dovetail.compiler.ops.conv2d import conv2d
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Format, Gemm, Instruction, Load, Param, Store, Sync, Unit
from dovetail.isa.program import Program
from dovetail.sim.fuzz import random_program
from dovetail.sim.timing import TimingSimulator

DEFAULT = load_config("default")
MEMORIES = [(64, 16), (20, 8), (200, 4), (64, 32)]
ADDRESS = 1 << 19


def ratio(timing: TimingSimulator, program: Program, memory: np.ndarray) -> float:
    """The estimate over the count."""
    words = program.encode()
    return timing.estimate(words, address=ADDRESS).cycles / timing.predict(words, memory, address=ADDRESS).cycles


def filled(program: Program) -> np.ndarray:
    """A memory with the program's segments."""
    memory = np.zeros(2 * ADDRESS, np.uint8)
    for segment in program.segments:
        memory[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    return memory


@pytest.mark.parametrize(("latency", "bytes_per_cycle"), MEMORIES)
@pytest.mark.parametrize(
    "body",
    [
        [Load(buffer=Buffer.INP, sram=0, dram=4096, rows=10, cols=20, stride=56)] * 10,
        [Load(buffer=Buffer.INP, sram=0, dram=4096, rows=3, cols=7, stride=7, pad_top=1, pad_left=1, pad_right=1)] * 20,
        [Load(buffer=Buffer.WGT, sram=0, dram=4096, cols=9)] * 20,
        [Param(dram=8192), Store(format=Format.OUT, sram=0, dram=1 << 16, rows=4, cols=14, stride=28)] * 8,
        [Store(format=Format.OUT, residual=True, sram=0, dram=1 << 16, rows=4, cols=32, stride=56)] * 8,
        [Gemm(uop_begin=0, uop_count=1, outer=4, inner=20)] * 30,
        [Sync(target=unit) for unit in (Unit.LOAD, Unit.COMPUTE, Unit.STORE)] * 30,
    ],
    ids=["loads", "padded loads", "weights", "stores", "residuals", "kernels", "nothing"],
)
def test_units_by_themselves_take_as_long(body: list[Instruction], latency: int, bytes_per_cycle: int) -> None:
    timing = TimingSimulator(DEFAULT, latency=latency, bytes_per_cycle=bytes_per_cycle)
    program = Program(DEFAULT, (*body, Finish()))
    assert ratio(timing, program, np.zeros(2 * ADDRESS, np.uint8)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("latency", "bytes_per_cycle"), MEMORIES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolutions_are_estimated_within_three_percent(kernel: int, latency: int, bytes_per_cycle: int) -> None:
    pad = kernel // 2
    shape = Conv2dShape(h=14, w=14, ic=64, oc=64, kh=kernel, kw=kernel, pads=(pad, pad, pad, pad))
    operator = conv2d(shape, DEFAULT)
    program = compile_for_accelerator(lower(operator.schedule, operator.args, operator.name), DEFAULT).program
    timing = TimingSimulator(DEFAULT, latency=latency, bytes_per_cycle=bytes_per_cycle)
    assert ratio(timing, program, filled(program)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["tiny", "default"])
def test_random_programs_are_estimated_within_a_quarter_and_half_of_them_within_three_percent(name: str) -> None:
    config = load_config(name)
    ratios = []
    for seed in range(60):
        case = random_program(config, seed, 40)
        memory = np.zeros(2 * ADDRESS, np.uint8)
        memory[: len(case.image)] = case.image
        for latency, bytes_per_cycle in MEMORIES:
            timing = TimingSimulator(config, latency=latency, bytes_per_cycle=bytes_per_cycle)
            ratios.append(ratio(timing, case.program, memory))
    errors = np.abs(np.array(ratios) - 1)
    assert errors.max() < 0.25
    assert np.median(errors) < 0.03


def test_words_and_instructions_are_the_same_program() -> None:
    timing = TimingSimulator(DEFAULT, latency=64, bytes_per_cycle=16)
    case = random_program(DEFAULT, 3, 40)
    instructions, words = case.program.instructions, case.program.encode()
    assert timing.estimate(words) == timing.estimate(instructions)
    memory = np.zeros(2 * ADDRESS, np.uint8)
    memory[: len(case.image)] = case.image
    assert timing.predict(words, memory) == timing.predict(instructions, memory)


def test_a_program_that_never_ends_is_told() -> None:
    program = [Gemm(uop_begin=0, uop_count=1, pop_prev=True), Finish()]
    with pytest.raises(ValueError, match="waits for a token that never comes"):
        TimingSimulator(DEFAULT, latency=20, bytes_per_cycle=8).estimate(program)
