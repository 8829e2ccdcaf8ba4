"""A cut of a CPU convolution: compiled, compared with the reference, and timed in turn with another. It works in any
process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dovetail.compiler.codegen.llvm.errors import CodegenError
from dovetail.compiler.lower.errors import LoweringError
from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs, conv2d_knobs
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.tune.outcome import Outcome, Status

from .cpu_case import CASES, Call, CpuCase

PAIRS = 9
"""Turns of a candidate and the reference."""
BURST = 0.004
"""Seconds of calls in a row of which the fastest counts."""
TICK = time.get_clock_info("thread_time").resolution
"""What a call takes that ends before its clock has moved."""
SHORT, LEAST, MOST = 0.02, 3, 4000
"""Calls of fewer seconds are repeated so often at least, and at most."""


@dataclass(frozen=True)
class CpuTrial:
    """A cut of a convolution in float32 or int8, to measure in one thread."""

    shape: Conv2dShape
    knobs: Conv2dKnobs
    dtype: str = "float32"


def run_cpu_trial(trial: CpuTrial) -> Outcome:
    """Measure a cut.

    The machine does other things too, now more and now less. So the cost is the median ratio of the cut's time and that
    of the cut that the rule chooses, when they take turns.
    """
    began = time.perf_counter()

    def outcome(status: Status, cost: float | None = None, message: str = "") -> Outcome:
        return Outcome(status=status, cost=cost, message=message, seconds=time.perf_counter() - began)

    reference = _reference(trial.shape, trial.dtype)
    try:
        call, error = reference.case.bind(reference.case.operator(trial.knobs))
    except (OperatorError, LoweringError, CodegenError) as failure:
        return outcome(Status.FAILED, message=str(failure))
    if error > reference.case.tolerance:
        return outcome(Status.WRONG, message=f"outputs differ from the reference by up to {error:.3g}")
    return outcome(Status.OK, reference.ratio(call))


class _Reference:
    """What candidates of a convolution are compared with."""

    def __init__(self, case: CpuCase, knobs: Conv2dKnobs) -> None:
        self.case = case
        self.call, _ = case.bind(case.operator(knobs))

    def ratio(self, call: Call) -> float:
        """The time of a call over that of the reference."""
        own, others = in_turn((call, self.call), PAIRS)
        return ratio(own, others)


def in_turn(calls: Sequence[Call], rounds: int) -> list[list[float]]:
    """Seconds of each call in each round: of the fastest in a row of its own, so that a call during which the processor
    did something else does not count."""
    often = [_often(fastest(call, 1)) for call in calls]
    times = [[fastest(call, count) for call, count in zip(calls, often, strict=True)] for _ in range(rounds)]
    return [list(each) for each in zip(*times, strict=True)]


def ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """The median of the ratios of times of the same rounds."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def fastest(call: Call, count: int) -> float:
    """Processor seconds, above 0, of the fastest of some calls in a row, after one that is not timed. While other
    processes have the processor they do not count; a call has but this thread."""
    call()
    times = []
    for _ in range(count):
        begin = time.thread_time()
        call()
        times.append(time.thread_time() - begin)
    return max(min(times), TICK)


def _often(seconds: float) -> int:
    return min(max(LEAST, round(BURST / seconds)), MOST) if seconds < SHORT else 1


@lru_cache(maxsize=2)
def _reference(shape: Conv2dShape, dtype: str) -> _Reference:
    return _Reference(CASES[dtype](shape), conv2d_knobs(shape))
