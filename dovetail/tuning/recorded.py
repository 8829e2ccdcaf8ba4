"""Recorded schedules for the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dovetail.compiler.ops.measured import measured_schedules
from dovetail.compiler.tune.best import BestSchedules
from dovetail.compiler.tune.records import Record, Records, default_path
from dovetail.compiler.tune.task import Task
from dovetail.result import MODELLED

from .versions import versions


@contextmanager
def recorded_schedules(path: Path | None = None) -> Iterator[BestSchedules]:
    """Within, convolutions take the best schedules that are recorded for their sizes, machine and memory.

    Parameters
    ----------
    path:
        The records; `default_path` by default. A file that is missing has none.

    Yields
    ------
    What is taken.

    Raises
    ------
    RecordsError:
        The file is no such file, or damaged.
    """
    with Records(path or default_path(), read_only=True) as records:

        def best(task: Task) -> Record | None:
            return records.best(task, versions=versions(task.target), simulators=MODELLED)

        lookup = BestSchedules(best)
        with measured_schedules(lookup):
            yield lookup
