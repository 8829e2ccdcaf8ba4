"""The timing simulator counts the cycles that the RTL counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import (
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Finish,
    Format,
    Gemm,
    Instruction,
    Load,
    MicroOp,
    Param,
    Post,
    Store,
)
from dovetail.isa.program import INSTRUCTION_BYTES
from dovetail.sim.fuzz import random_program
from dovetail.sim.rtl.build import build
from dovetail.sim.rtl.client import Settings, Simulator
from dovetail.sim.rtl.machine import run_program
from dovetail.sim.timing import TimingSimulator

MEMORY_BYTES = 1 << 20
ADDRESS = MEMORY_BYTES // 2
MEMORIES = [
    Settings(latency=64, bytes_per_cycle=16),
    Settings(latency=20, bytes_per_cycle=8),
    Settings(latency=5, bytes_per_cycle=2),
]


def both(
    machine: Simulator, config: Config, settings: Settings, program: Sequence[Instruction], image: NDArray[np.uint8]
) -> tuple[int, int]:
    """Cycles on RTL, and those predicted."""
    machine.reset(settings)
    memory = machine.memory
    memory[...] = 0
    memory[: len(image)] = image
    words = b"".join(instruction.encode(config).to_bytes(INSTRUCTION_BYTES, "little") for instruction in program)
    memory[ADDRESS : ADDRESS + len(words)] = np.frombuffer(words, np.uint8)
    timing = TimingSimulator(config, latency=settings.latency, bytes_per_cycle=settings.bytes_per_cycle)
    predicted = timing.predict(program, memory.copy(), address=ADDRESS)
    outcome = run_program(machine, address=ADDRESS, length=len(program))
    return outcome.counters["cycles"], predicted.cycles


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "seeds"), [("tiny", 60), ("default", 25)])
def test_random_programs_take_as_long_as_on_rtl(name: str, seeds: int) -> None:
    config = load_config(name)
    with Simulator(build(config), config, memory_bytes=MEMORY_BYTES) as machine:
        for seed in range(seeds):
            case = random_program(config, seed, 40)
            for settings in MEMORIES:
                cycles, predicted = both(machine, config, settings, case.program.instructions, case.image)
                assert predicted == cycles, (seed, settings)


@pytest.mark.rtl
def test_time_that_passes_at_once_counts_as_if_stepped() -> None:
    """Long kernels, of one slot a micro-op and of two, with nothing beside them, and a store that comes after."""
    config = load_config("tiny")
    kernel = [MicroOp(dst=k % 3, src=k % 5) for k in range(7)]
    image = np.frombuffer(b"".join(m.encode(config).to_bytes(config.uop_bytes, "little") for m in kernel), np.uint8)
    program = [
        Load(buffer=Buffer.UOP, sram=0, dram=0, cols=7),
        Param(dram=1024),
        Post(),
        Load(buffer=Buffer.INP, sram=0, dram=2048, cols=8, push_next=True),
        Gemm(uop_begin=0, uop_count=7, outer=40, inner=11, dst_outer=1, src_inner=1, pop_prev=True),
        Alu(
            op=AluOp.ADD,
            source=AluSource.ACC,
            uop_begin=0,
            uop_count=7,
            outer=40,
            inner=11,
            dst_inner=1,
            push_next=True,
        ),
        Store(format=Format.OUT, sram=0, dram=4096, rows=2, cols=5, stride=9, sram_stride=5, pop_prev=True),
        Finish(),
    ]
    with Simulator(build(config), config, memory_bytes=MEMORY_BYTES) as machine:
        for settings in MEMORIES:
            cycles, predicted = both(machine, config, settings, program, image)
            assert predicted == cycles > 3 * 7 * 40 * 11


def test_a_program_that_never_ends_is_told() -> None:
    program = [Gemm(uop_begin=0, uop_count=1, pop_prev=True), Finish()]
    timing = TimingSimulator(load_config("tiny"), latency=20, bytes_per_cycle=8)
    with pytest.raises(ValueError, match="waits for a token that never comes"):
        timing.predict(program, np.zeros(4096, np.uint8))
