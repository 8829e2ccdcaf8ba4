"""Device timing has the functional simulator's values and the RTL's cycles."""

from __future__ import annotations

import pytest

from dovetail import runtime
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Finish, Gemm
from dovetail.isa.program import Program
from dovetail.job import prepare_job, run_job
from dovetail.runtime import DeviceFault

SMALL = "conv2d:1,14,14,64,64,1,1,0"


@pytest.mark.rtl
@pytest.mark.parametrize(("latency", "bytes_per_cycle"), [(64, 16), (20, 4)])
@pytest.mark.parametrize("workload", [SMALL, "conv2d:1,7,7,32,32,3,1,1"])
def test_layers_take_as_many_cycles_as_on_rtl(workload: str, latency: int, bytes_per_cycle: int) -> None:
    job = prepare_job(workload, latency=latency, bytes_per_cycle=bytes_per_cycle)
    timed, rtl = (
        run_job(job, device, latency=latency, bytes_per_cycle=bytes_per_cycle) for device in ("timing", "rtl")
    )
    assert timed.exact and rtl.exact
    assert timed.cycles == rtl.cycles
    assert (timed.memory, timed.utilization, timed.roofline) == (rtl.memory, rtl.utilization, rtl.roofline)
    assert timed.counters is None


def test_cycles_follow_the_memory() -> None:
    job = prepare_job(SMALL)
    cycles = [run_job(job, "timing", latency=latency, bytes_per_cycle=16).cycles or 0 for latency in (16, 64, 256)]
    assert cycles == sorted(set(cycles))


def test_a_program_that_waits_for_ever_is_a_fault() -> None:
    tiny = load_config("tiny")
    program = Program(tiny, (Gemm(uop_begin=0, uop_count=1, pop_prev=True), Finish()))
    with runtime.open("timing", config=tiny, memory_bytes=1 << 20) as device, pytest.raises(DeviceFault):
        device.run(program, check=False)
