"""Steps in plain data: numbers and strings as they are, all else as a tuple that begins with what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dovetail.compiler.tir.expr import Const

from ..errors import ScheduleError
from ..intrinsic import TensorIntrinsic
from ..stage import Stage
from ..tensor import Axis, AxisKind, Tensor

if TYPE_CHECKING:
    from ..schedule import Schedule

Step = tuple[Any, ...]
"""The step's name, then its subject and arguments, encoded."""


def encode(schedule: Schedule, value: Any) -> Any:
    """A step's argument in plain data."""
    if isinstance(value, Stage):
        return ("stage", value.name)
    if isinstance(value, Tensor):
        return ("tensor", next(name for name, tensor in schedule.tensors.items() if tensor == value))
    if isinstance(value, TensorIntrinsic):
        return ("intrinsic", value.name)
    if isinstance(value, Axis) and value.kind is AxisKind.THREAD:
        if value not in schedule.threads:
            schedule.threads.append(value)
        extent = int(value.extent.value) if isinstance(value.extent, Const) else None
        return ("thread", schedule.threads.index(value), value.thread, extent, value.name)
    if isinstance(value, Axis):
        for stage in schedule.stages:
            if value in stage.axes:
                return ("axis", stage.name, _labels(stage)[value])
        return ("axis", "", value.name)
    return value


def decode(schedule: Schedule, value: Any, intrinsics: Mapping[str, TensorIntrinsic]) -> Any:
    """What `encode` wrote, in another schedule.

    Raises
    ------
    ScheduleError:
        That schedule has no such stage, tensor or axis, or no such intrinsic was given.
    """
    match value:
        case ["stage", name]:
            return _stage(schedule, name)
        case ["tensor", name]:
            if name not in schedule.tensors:
                raise ScheduleError(f"the steps name the tensor {name}, which this schedule has not")
            return schedule.tensors[name]
        case ["intrinsic", name]:
            if name not in intrinsics:
                raise ScheduleError(f"the steps tensorize with {name}; give it in intrinsics=")
            return intrinsics[name]
        case ["thread", number, tag, extent, name]:
            if number < len(schedule.threads):
                return schedule.threads[number]
            from ..language import thread_axis

            return thread_axis(tag, extent, name)
        case ["axis", stage, label]:
            for axis, own in _labels(_stage(schedule, stage)).items():
                if own == label:
                    return axis
            raise ScheduleError(f"the steps name the axis {label} of {stage}, which this schedule has not")
    return value


def _stage(schedule: Schedule, name: str) -> Stage:
    for stage in schedule.stages:
        if stage.name == name:
            return stage
    raise ScheduleError(f"the steps name the stage {name}, which this schedule has not")


def _labels(stage: Stage) -> dict[Axis, str]:
    """The stage's axes with names of which no two are alike."""
    labels: dict[Axis, str] = {}
    for axis in stage.axes:
        number, label = 1, axis.name
        while label in labels.values():
            label, number = f"{axis.name}_{number}", number + 1
        labels[axis] = label
    return labels
