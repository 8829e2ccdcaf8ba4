"""The figures that the machine is built for, on the reference memory: 64 cycles of latency, 16 bytes a cycle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dovetail.isa.config import load_config
from dovetail.isa.registers import Activity
from dovetail.job import prepare_job, run_job
from dovetail.sim.rtl.build import build
from dovetail.sim.rtl.client import Settings, Simulator
from dovetail.sim.rtl.machine import run_program
from tests.models.resident_gemm import resident_gemm

pytestmark = pytest.mark.rtl

DEFAULT = load_config("default")
LOAD, COMPUTE, STORE = range(3)
PROGRAM_ADDRESS = 1 << 20


def test_c2_is_exact_and_keeps_the_array_92_percent_busy() -> None:
    result = run_job(prepare_job("C2"), "rtl", latency=64, bytes_per_cycle=16)
    assert result.exact
    assert result.macs == 56 * 56 * 64 * 64 * 9
    assert result.cycles is not None
    assert result.macs / (result.cycles * DEFAULT.macs_per_cycle) >= 0.92


def test_resident_data_keeps_the_array_99_percent_busy_from_first_to_last_product() -> None:
    job = resident_gemm(DEFAULT)
    words = job.program.encode()
    with Simulator(build(DEFAULT), DEFAULT, memory_bytes=2 << 20, settings=Settings(timeline=True)) as machine:
        for segment in job.program.segments:
            machine.memory[segment.address : segment.address + len(segment.data)] = np.frombuffer(
                segment.data, np.uint8
            )
        machine.memory[PROGRAM_ADDRESS : PROGRAM_ADDRESS + len(words)] = np.frombuffer(words, np.uint8)
        outcome = run_program(machine, address=PROGRAM_ADDRESS, length=len(job.program))
        changes = machine.timeline()
        sums = machine.memory[job.out : job.out + job.expected.nbytes].view(np.int32).reshape(job.expected.shape)
        np.testing.assert_array_equal(sums, job.expected)
    busy = [place for place, change in enumerate(changes) if change.activity[COMPUTE] is Activity.BUSY]
    first, end = changes[busy[0]].cycle, changes[busy[-1] + 1].cycle
    assert outcome.counters["gemm"] > 1000
    assert outcome.counters["gemm"] / (end - first) >= 0.99


def test_the_timeline_shows_each_unit_going_through_its_instructions_in_order(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    job = prepare_job("conv2d:1,8,8,8,8,3,1,1", "tiny")
    assert run_job(job, "rtl", timeline=trace).exact
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event.get("cat") == "instruction"]
    for unit in (LOAD, COMPUTE, STORE):
        shown = [event["args"]["index"] for event in events if event["tid"] == unit + 1]
        assert len(set(shown)) > 10
        assert shown == sorted(shown)
