"""The best schedules that were recorded, for the compiler to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.choose import Choice
from dovetail.compiler.ops.knobs import Conv2dKnobs
from dovetail.compiler.ops.rules import misfit
from dovetail.compiler.ops.transfers import Memory
from dovetail.isa.config import Config

from .accelerator_space import conv2d_task
from .records import Record
from .space import knobs_from_dict
from .task import Task


@dataclass(frozen=True)
class Taken:
    """A recorded schedule that the compiler took, and the cycles that were measured."""

    shape: Blocked
    knobs: Conv2dKnobs
    cycles: float


class BestSchedules:
    """A `compiler.ops.measured.Lookup`.

    Parameters
    ----------
    best:
        Of a task the best record, as `Records.best` gives it.

    Attributes
    ----------
    taken:
        What was asked for and found.
    """

    def __init__(self, best: Callable[[Task], Record | None]) -> None:
        self._best = best
        self._known: dict[Task, Choice | None] = {}
        self.taken: dict[Task, Taken] = {}

    def __call__(self, shape: Blocked, config: Config, memory: Memory) -> Choice | None:
        task = conv2d_task(shape, config, memory)
        if task not in self._known:
            self._known[task] = self._look_up(task, shape, config)
        found = self._known[task]
        if found is not None:
            self.taken[task] = Taken(shape, found.knobs, found.cycles)
        return found

    def _look_up(self, task: Task, shape: Blocked, config: Config) -> Choice | None:
        record = self._best(task)
        if record is None or record.outcome.cost is None:
            return None
        try:
            knobs = knobs_from_dict(task.operator, record.knobs)
        except ValueError:
            return None  # recorded by a version with other knobs
        if not isinstance(knobs, Conv2dKnobs) or misfit(shape, knobs, config) is not None:
            return None
        return Choice(knobs, record.outcome.cost)
