"""The comparison with a bare loop."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Gemm, Load, Sync, Unit
from dovetail.isa.program import Program
from dovetail.isa.registers import Status
from dovetail.sim.rtl.bench import measure
from dovetail.sim.rtl.build import Options, build
from dovetail.sim.rtl.client import Simulator
from dovetail.sim.rtl.machine import run_program

from .rtl_programs import INPUTS, OUTPUTS, UOPS, copies

TINY = load_config("tiny")
STEPS = 16 * 500 * 50


@pytest.mark.rtl
def test_cocotb_and_the_bare_loop_run_the_same_cycles() -> None:
    program = Program(
        TINY,
        (
            Load(buffer=Buffer.UOP, sram=0, dram=UOPS, cols=16, push_next=True),
            Sync(target=Unit.COMPUTE, pop_prev=True),
            Gemm(uop_begin=0, uop_count=16, outer=500, inner=50),
            Finish(),
        ),
    )
    speed = measure(
        TINY, program.encode(), len(program), [(UOPS, bytes(64))], address=0x10000, memory_bytes=1 << 17, runs=1
    )
    assert STEPS < speed.cycles < STEPS + 1000


@pytest.mark.rtl
@pytest.mark.parametrize("bare", [False, True])
def test_both_run_a_program_to_the_same_result(bare: bool) -> None:
    program = copies(TINY, 32)
    data = np.random.default_rng(6).integers(0, 256, 32 * TINY.acc_bytes, np.uint8)
    with Simulator(build(TINY, Options(bare=bare)), TINY, memory_bytes=1 << 17) as simulator:
        simulator.memory[INPUTS : INPUTS + data.size] = data
        words = np.frombuffer(program.encode(), np.uint8)
        simulator.memory[0x10000 : 0x10000 + words.size] = words
        assert run_program(simulator, address=0x10000, length=len(program)).status is Status.DONE
        assert (simulator.memory[OUTPUTS : OUTPUTS + data.size] == data).all()
