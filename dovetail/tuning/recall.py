"""What was measured before, as a search counts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Record
from dovetail.compiler.tune.space import Space, knobs_from_dict

UNDECIDED = (Status.LOST, Status.TIMEOUT)


def recalled(space: Space, records: Iterable[Record], device: str, versions: Mapping[str, str]) -> dict[int, Outcome]:
    """By setting, what these versions measured on the same device.

    What was lost, or took too long, may be tried again; what was once wrong stays so.
    """
    known: dict[int, Outcome] = {}
    for record in records:
        if record.device != device or not record.is_of(versions) or record.outcome.status in UNDECIDED:
            continue
        try:
            index = space.index(knobs_from_dict(space.task.operator, record.knobs))
        except (KeyError, ValueError):
            continue  # recorded by a version with another space
        if index not in known or known[index].status is not Status.WRONG:
            known[index] = record.outcome
    return known
