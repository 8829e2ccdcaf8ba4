"""The comparison with a bare loop."""

from __future__ import annotations

import pytest

from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Gemm, Load, Sync, Unit
from dovetail.isa.program import Program
from dovetail.sim.rtl.bench import measure

from .rtl_programs import UOPS

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
    assert speed.ratio == speed.rtl_cycles_per_second / speed.bare_cycles_per_second
    assert speed.rtl_cycles_per_second == pytest.approx(speed.cycles / speed.rtl_seconds)
    assert speed.ratio > 0.5, "simulating under cocotb should cost little more than the loop"
