"""Schedules as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from inspect import signature
from typing import Any

from .errors import ScheduleError
from .intrinsic import TensorIntrinsic
from .schedule import Schedule, create_schedule
from .stage import Stage
from .steps import STEPS
from .steps.record import decode
from .tensor import Operation, Tensor

VERSION = 1


def to_json(schedule: Schedule) -> str:
    """The steps of a schedule as JSON."""
    return json.dumps({"version": VERSION, "steps": schedule.steps})


def replay(
    text: str,
    outputs: Tensor | Operation | Sequence[Tensor | Operation],
    intrinsics: Iterable[TensorIntrinsic] = (),
) -> Schedule:
    """A fresh schedule of `outputs` with the steps that `to_json` wrote.

    Parameters
    ----------
    outputs:
        The same expression as that of the schedule that was written, with the same names.
    intrinsics:
        Those with which the steps tensorize, found by their names.

    Raises
    ------
    ScheduleError:
        The text holds no steps, or they do not fit this expression.
    """
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise ScheduleError(f"the steps are no JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("steps"), list):
        raise ScheduleError(f"the text holds no steps of version {VERSION}; write them with Schedule.to_json")
    schedule = create_schedule(outputs)
    named = {intrinsic.name: intrinsic for intrinsic in intrinsics}
    for place, step in enumerate(data["steps"]):
        if not isinstance(step, list) or len(step) < 2 or step[0] not in STEPS:
            raise ScheduleError(f"step {place} is none: {step!r}")
        arguments = [decode(schedule, argument, named) for argument in step[1:]]
        if not isinstance(arguments[0], Stage | Tensor):
            raise ScheduleError(f"step {place}, {step[0]}, is of no stage or tensor but {step[1]!r}")
        try:
            signature(STEPS[step[0]]).bind(schedule, *arguments)
        except TypeError:
            raise ScheduleError(f"step {place}, {step[0]}, takes other arguments than {step[1:]}") from None
        schedule.perform(step[0], *arguments)
    return schedule
