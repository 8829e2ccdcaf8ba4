"""The compiler takes what was recorded, as far as it can still be used."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.ops import cpu
from dovetail.compiler.ops.blocked import blocked_conv2d
from dovetail.compiler.ops.choose import choose
from dovetail.compiler.ops.conv2d import conv2d
from dovetail.compiler.ops.cpu.knobs import conv2d_knobs
from dovetail.compiler.ops.measured import measured_schedules
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import conv2d_task
from dovetail.compiler.tune.best import BestSchedules
from dovetail.compiler.tune.cpu_space import cpu_conv2d_task
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.record import now
from dovetail.compiler.tune.records import Record
from dovetail.compiler.tune.space import knobs_as_dict
from dovetail.compiler.tune.task import Task
from dovetail.isa.config import load_config

TINY = load_config("tiny")
LAYER = Conv2dShape(h=6, w=6, ic=8, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))
SHAPE = blocked_conv2d(LAYER, TINY)
CHOSEN = choose(SHAPE, TINY, Memory()).knobs
OTHER = replace(CHOSEN, rows=1, first_rows=1)


def record(task: Task, knobs: dict[str, object], cost: float = 1234.0) -> Record:
    outcome = Outcome(status=Status.OK, cost=cost)
    return Record(task=task, knobs=knobs, outcome=outcome, device="timing", at=now(), versions={})


def lookup(*records: Record) -> BestSchedules:
    return BestSchedules({one.task: one for one in records}.get)


def test_a_recorded_schedule_takes_the_place_of_the_models_choice_within_and_nowhere_else() -> None:
    known = lookup(record(conv2d_task(SHAPE, TINY, Memory()), knobs_as_dict(OTHER)))
    with measured_schedules(known):
        operator = conv2d(LAYER, TINY, columns=False)
    assert (operator.knobs, operator.cycles) == (OTHER, 1234.0)
    assert len(known.taken) == 1
    assert conv2d(LAYER, TINY, columns=False).knobs == CHOSEN


def test_what_was_measured_with_another_memory_is_of_no_use() -> None:
    known = lookup(record(conv2d_task(SHAPE, TINY, Memory(64, 16)), knobs_as_dict(OTHER)))
    with measured_schedules(known):
        assert conv2d(LAYER, TINY, columns=False, memory=Memory(64, 8)).knobs != OTHER
    assert not known.taken


def test_records_of_other_versions_are_passed_over() -> None:
    task = conv2d_task(SHAPE, TINY, Memory())
    for knobs in (
        {"rows": 1},
        knobs_as_dict(OTHER) | {"order": "spiral"},
        *(knobs_as_dict(OTHER) | {"rows": value} for value in ("three", "3", 0, -1, 3.0, True, None)),
        knobs_as_dict(OTHER) | {"inp_copies": -2},
        knobs_as_dict(replace(OTHER, rows=6, cols=6, acc_copies=1000)),
    ):
        known = lookup(record(task, knobs))
        with measured_schedules(known):
            assert conv2d(LAYER, TINY, columns=False).knobs == CHOSEN
        assert not known.taken


def test_the_processor_has_records_of_its_own_by_type() -> None:
    rule = conv2d_knobs(LAYER)
    other = replace(rule, cols=rule.cols - 1)
    known = lookup(record(cpu_conv2d_task(LAYER, "float32"), knobs_as_dict(other)))

    def text(dtype: str) -> str:
        return str((cpu.conv2d_float32 if dtype == "float32" else cpu.conv2d_int8)(LAYER).schedule)

    untuned = {dtype: text(dtype) for dtype in ("float32", "int8")}
    with measured_schedules(known):
        assert text("float32") == str(cpu.conv2d_float32(LAYER, knobs=other).schedule) != untuned["float32"]
        assert text("int8") == untuned["int8"]
