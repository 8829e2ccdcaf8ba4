"""The best schedules that were recorded, for the compiler to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.choose import Choice
from dovetail.compiler.ops.cpu import knobs as cpu
from dovetail.compiler.ops.knobs import Conv2dKnobs
from dovetail.compiler.ops.rules import misfit
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.isa.config import Config

from .accelerator_space import conv2d_task
from .cpu_space import cpu_conv2d_task
from .records import Record
from .space import knobs_from_dict
from .task import Task


class BestSchedules:
    """A `compiler.ops.measured.Lookup`.

    Parameters
    ----------
    best:
        Of a task the best record, as `Records.best` gives it.

    Attributes
    ----------
    taken:
        For what a schedule was asked for and found.
    """

    def __init__(self, best: Callable[[Task], Record | None]) -> None:
        self._best = best
        self._known: dict[Task, tuple[Any, float] | None] = {}
        self.taken: set[Task] = set()

    def accelerator(self, shape: Blocked, config: Config, memory: Memory) -> Choice | None:
        found = self._of(conv2d_task(shape, config, memory), lambda knobs: _fits(shape, knobs, config))
        return None if found is None else Choice(*found)

    def cpu(self, shape: Conv2dShape, dtype: str) -> cpu.Conv2dKnobs | None:
        found = self._of(cpu_conv2d_task(shape, dtype), lambda knobs: _is_of(shape, knobs))
        return None if found is None else found[0]

    def _of(self, task: Task, usable: Callable[[Any], bool]) -> tuple[Any, float] | None:
        """Knobs and cost."""
        if task not in self._known:
            self._known[task] = self._look_up(task, usable)
        found = self._known[task]
        if found is not None:
            self.taken.add(task)
        return found

    def _look_up(self, task: Task, usable: Callable[[Any], bool]) -> tuple[Any, float] | None:
        record = self._best(task)
        if record is None or record.outcome.cost is None:
            return None
        try:
            knobs = knobs_from_dict(task.operator, record.knobs)
        except (TypeError, ValueError):
            return None  # recorded by a version with other knobs
        return (knobs, record.outcome.cost) if usable(knobs) else None


def _fits(shape: Blocked, knobs: Any, config: Config) -> bool:
    return isinstance(knobs, Conv2dKnobs) and misfit(shape, knobs, config) is None


def _is_of(shape: Conv2dShape, knobs: Any) -> bool:
    return isinstance(knobs, cpu.Conv2dKnobs) and cpu.refusal(shape, knobs) is None
