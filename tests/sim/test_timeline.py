"""The Chrome trace of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dovetail.isa.config import load_config
from dovetail.isa.disassembler import format_instruction
from dovetail.isa.instructions import Buffer, Finish, Gemm, Load, Store
from dovetail.isa.registers import Activity
from dovetail.sim.timeline import Change, Section, Trace

from .rtl_programs import OUTPUTS, UOPS

TINY = load_config("tiny")
LOAD = Load(buffer=Buffer.UOP, sram=0, dram=UOPS, cols=1, push_next=True)
GEMM = Gemm(uop_begin=0, uop_count=1, pop_prev=True, push_next=True)
STORE = Store(format=0, sram=0, dram=OUTPUTS, cols=1, pop_prev=True)
PROGRAM = (LOAD, GEMM, STORE, Finish())

IDLE, BUSY, PREV, MEMORY = Activity.IDLE, Activity.BUSY, Activity.WAIT_PREV, Activity.WAIT_MEMORY


def change(cycle: int, running: bool, activity: tuple[Activity, ...], levels: tuple[int, ...] = (0, 0, 0, 0)) -> Change:
    return Change(cycle=cycle, running=running, activity=activity, index=(0, 1, 2), levels=levels)


RUN = [
    change(100, True, (IDLE, IDLE, IDLE)),
    change(110, True, (MEMORY, PREV, PREV)),
    change(150, True, (BUSY, PREV, PREV)),
    change(160, True, (IDLE, PREV, PREV), (1, 0, 0, 0)),
    change(161, True, (IDLE, BUSY, PREV)),
    change(170, True, (IDLE, IDLE, BUSY)),
    change(180, False, (IDLE, IDLE, IDLE)),
]


def trace_events(*runs: list[Change], sections: tuple[Section, ...] = ()) -> list[dict[str, Any]]:
    """The events of the trace of runs of `PROGRAM`."""
    trace = Trace()
    for run in runs:
        trace.add(run, PROGRAM, sections)
    return list(json.loads(trace.text())["traceEvents"])


def slices(category: str, *runs: list[Change], sections: tuple[Section, ...] = ()) -> list[tuple[Any, ...]]:
    events = trace_events(*(runs or [RUN]), sections=sections)
    return [(e["tid"], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X" and e["cat"] == category]


def test_each_unit_has_a_track_with_its_instructions() -> None:
    events = trace_events(RUN)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {1: "load", 2: "compute", 3: "store", 4: "layers"}
    assert slices("instruction") == [(1, "LOAD", 10, 50), (2, "GEMM", 10, 60), (3, "STORE", 10, 70)]
    texts = {e["args"]["index"]: e["args"]["text"] for e in events if e.get("cat") == "instruction"}
    assert texts == {i: format_instruction(PROGRAM[i]) for i in range(3)}


def test_waits_are_named_by_their_reason() -> None:
    assert slices("wait") == [
        (1, "wait for memory", 10, 40),
        (2, "wait for load", 10, 51),
        (3, "wait for compute", 10, 60),
    ]


def test_queue_levels_are_counters() -> None:
    counters = [e for e in trace_events(RUN) if e["ph"] == "C"]
    assert [(e["ts"], e["args"]["tokens"]) for e in counters if e["name"] == "tokens load to compute"] == [
        (0, 0),
        (60, 1),
        (61, 0),
    ]
    assert len({e["name"] for e in counters}) == 4


def test_an_index_that_is_not_the_units_is_not_shown() -> None:
    stale = [Change(0, True, (BUSY, BUSY, BUSY), (3, 0, 99), (0, 0, 0, 0)), change(10, False, (IDLE, IDLE, IDLE))]
    events = trace_events(stale)
    assert not [e for e in events if e["ph"] == "X"]


def test_nothing_recorded_gives_an_empty_trace() -> None:
    assert not [e for e in trace_events([]) if e["ph"] != "M"]


def test_layers_have_a_track_from_the_end_of_one_to_the_end_of_the_next() -> None:
    sections = (Section("second", 1, 4), Section("first", 0, 1), Section("nothing", 4, 4))
    assert slices("layer", sections=sections) == [(4, "first", 0, 60), (4, "second", 60, 20)]


def test_runs_follow_one_another() -> None:
    once, twice = slices("instruction"), slices("instruction", RUN, RUN)
    assert twice == once + [(thread, name, 80 + start, duration) for thread, name, start, duration in once]
    layers = slices("layer", RUN, RUN, sections=(Section("all", 0, 4),))
    assert layers == [(4, "all", 0, 80), (4, "all", 80, 80)]
    counters = [e["ts"] for e in trace_events(RUN, RUN) if e["name"] == "tokens load to compute"]
    assert counters == [0, 60, 61, 80, 140, 141]


def test_a_trace_replaces_the_last_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("the last one")
    with path.open() as reader:
        trace = Trace()
        trace.add(RUN, PROGRAM)
        trace.write(path)
        assert reader.read() == "the last one"
    assert path.read_text() == trace.text()
    assert list(tmp_path.iterdir()) == [path]
