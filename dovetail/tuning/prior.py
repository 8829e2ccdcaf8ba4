"""What was measured of other sizes, for a model to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.tune.models import Experience
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.records import Record, Records
from dovetail.compiler.tune.search import Found
from dovetail.compiler.tune.space import Space
from dovetail.compiler.tune.task import Task

from .part_search import PartSearch
from .parts import Part
from .recall import recalled
from .versions import versions

LEAST = 8
"""Trials of a task; fewer say little more than its estimate."""
MOST = 256
"""Of a task, the last ones."""
TASKS = 16
"""Of which records are taken: those with the most."""


def experience_of(part: Part, found: Found) -> Experience:
    """What a search has taught."""
    return _experience(part.space, found.history)


def prior_of(search: PartSearch, others: Sequence[PartSearch], elsewhere: Sequence[Experience]) -> Experience | None:
    """What a search's model begins with: what the other searches of its kind have found so far, and `elsewhere`.

    None where there is nothing yet.
    """
    kind = kind_of(search.part.space.task)
    taught = [
        experience_of(other.part, other.found)
        for other in others
        if other is not search and kind_of(other.part.space.task) == kind
    ]
    enough = [one for one in (*taught, *elsewhere) if len(one) >= LEAST]
    return Experience.together(enough) if enough else None


def recorded_experience(space: Space, records: Records, device: str, but: Sequence[Task] = ()) -> list[Experience]:
    """What is recorded of other tasks of the same operator, machine and memory, by the same versions and device.

    Parameters
    ----------
    but:
        Tasks that are left out.
    """
    kind = kind_of(space.task)
    tasks = [task for task in records.tasks() if task not in but and kind_of(task) == kind]
    rows = sorted(((task, records.of(task)) for task in tasks), key=lambda each: len(each[1]), reverse=True)
    return list(_taught(space, rows[:TASKS], device))


def kind_of(task: Task) -> Task:
    """What tasks have in common whose schedules can be compared."""
    return replace(task, workload="")


def _taught(space: Space, rows: Sequence[tuple[Task, list[Record]]], device: str) -> Iterator[Experience]:
    for task, found in rows:
        if len(found) < LEAST:
            continue
        try:
            other = space.sized(task.workload)
        except (OperatorError, ValueError):
            continue  # recorded by a version with other sizes
        yield _experience(other, list(recalled(other, found, device, versions(task.target)).items()))


def _experience(space: Space, history: Sequence[tuple[int, Outcome]]) -> Experience:
    told = [(index, outcome.cost) for index, outcome in history if outcome.cost is not None][-MOST:]
    indices = np.array([index for index, _ in told], np.int64)
    costs = np.array([cost for _, cost in told], np.float64)
    return Experience.of(space.features(indices), costs, space.estimate(indices))
