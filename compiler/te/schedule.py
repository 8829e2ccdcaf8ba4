"""Schedules: how tensor expressions are computed. A schedule starts with one loop nest an operation, in the order of
their axes; steps change it, and can be written down and replayed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .attachment import broken_attachment
from .caller import assigned_name
from .errors import ScheduleError
from .scheduled import ScheduledStage
from .stage import Stage
from .steps import STEPS
from .steps.record import Step, encode
from .tensor import Axis, ComputeOp, Operation, PlaceholderOp, Tensor
from .walk import tensors_of

StageLike = Tensor | ComputeOp | Stage | ScheduledStage


class Schedule:
    """How the operations behind some outputs are computed.

    ``s[T]`` is the stage of a tensor, whose methods are the steps on its loops; steps that add stages are methods of
    the schedule. A step that is impossible raises `ScheduleError` and changes nothing.

    Attributes
    ----------
    outputs:
        The tensors that were asked for.
    stages:
        One an operation, readers after what they read.
    steps:
        The steps so far, in plain data; see `serialise`.
    tensors:
        Every tensor by its name, made unique within the schedule; placeholders too.
    threads:
        The thread axes that loops were bound to, in that order.
    """

    def __init__(self, outputs: Sequence[Tensor]) -> None:
        self.outputs = tuple(outputs)
        self.stages: list[Stage] = []
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}
        self.threads: list[Axis] = []
        for tensor in _in_order(outputs):
            name = self.unique(tensor.name)
            self.tensors[name] = tensor
            if isinstance(tensor.op, ComputeOp):
                leaves = [*tensor.op.axis, *tensor.op.reduce_axis]
                self.stages.append(Stage(tensor, tensor.op, leaves, output=tensor in self.outputs, name=name))

    def __getitem__(self, key: StageLike) -> ScheduledStage:
        return ScheduledStage(self, self.stage_of(key))

    def __str__(self) -> str:
        from .show import show

        return show(self)

    def cache_read(
        self, tensor: Tensor, scope: str, readers: Iterable[StageLike] | None = None, name: str | None = None
    ) -> Tensor:
        """Adds a copy of `tensor` in another memory, which `readers` read instead.

        Parameters
        ----------
        readers:
            By default all that read it now.
        name:
            By default the variable to which the result is assigned.

        Raises
        ------
        ScheduleError:
            Nothing reads it, one of `readers` does not, or it is inline.
        """
        name = name or assigned_name("cache_read", _label(tensor, scope))
        stages = [self.stage_of(reader) for reader in readers or ()]
        return self._tensor("cache_read", tensor, scope, name, *stages)

    def cache_write(self, tensor: Tensor, scope: str, name: str | None = None) -> Tensor:
        """Computes `tensor` in another memory.

        The new tensor's stage takes over the computation with its axes, loops and all that was said of them; the stage
        of `tensor` copies it, with fresh axes of the same names.

        Raises
        ------
        ScheduleError:
            `tensor` is a placeholder, or inline.
        """
        name = name or assigned_name("cache_write", _label(tensor, scope))
        return self._tensor("cache_write", tensor, scope, name)

    def rfactor(self, tensor: Tensor, axis: Axis, name: str | None = None) -> Tensor:
        """Reduces in two steps.

        The new tensor has the reduce loop `axis` as its leading axis and reduces over the others; `tensor` reduces it
        over that axis, the only one in its ``op.reduce_axis``. Sums of floats round differently then.

        Raises
        ------
        ScheduleError:
            `axis` is not a reduce loop of the stage, or another stage is computed inside of it.
        """
        name = name or assigned_name("rfactor", _label(tensor, "rf"))
        return self._tensor("rfactor", tensor, axis, name)

    def to_json(self) -> str:
        """The steps as JSON, which `replay` applies to a fresh schedule of the same expression."""
        from .serialise import to_json

        return to_json(self)

    def find(self, tensor: Tensor) -> Stage | None:
        """The stage of a tensor; None for a placeholder."""
        return next((stage for stage in self.stages if stage.origin == tensor), None)

    def stage_of(self, key: StageLike) -> Stage:
        """The stage of a tensor or of the operation that defined it.

        Raises
        ------
        ScheduleError:
            The schedule has none.
        """
        if isinstance(key, ScheduledStage):
            key = key.stage
        if isinstance(key, Stage) and key in self.stages:
            return key
        if isinstance(key, Tensor | ComputeOp | PlaceholderOp):
            stage = self.find(key if isinstance(key, Tensor) else Tensor(key))
            if stage is not None:
                return stage
            if isinstance(key.op if isinstance(key, Tensor) else key, PlaceholderOp):
                raise ScheduleError(f"{key.name} is a placeholder, which has no loops; make a copy with cache_read")
        elif not isinstance(key, Stage):
            raise ScheduleError(f"a schedule takes a tensor to choose a stage, not {type(key).__name__}")
        names = [stage.name for stage in self.stages]
        if key.name in names:
            raise ScheduleError(f"this schedule computes another tensor that is also named {key.name}; use that one")
        raise ScheduleError(f"{key.name} has no stage in this schedule, which computes {', '.join(names)}")

    def readers(self, tensor: Tensor) -> list[Stage]:
        """The stages whose operations read `tensor`."""
        return [stage for stage in self.stages if tensor in tensors_of(stage.op.body)]

    def unique(self, name: str) -> str:
        """`name`, or with a number where a tensor has it already."""
        number, unique = 1, name
        while unique in self.tensors:
            unique, number = f"{name}_{number}", number + 1
        return unique

    def add(self, op: ComputeOp, before: Stage, scope: str) -> Stage:
        """A stage for a new operation; for steps."""
        tensor = Tensor(op)
        stage = Stage(tensor, op, [*op.axis, *op.reduce_axis], scope=scope, name=op.name)
        self.stages.insert(self.stages.index(before), stage)
        self.tensors[op.name] = tensor
        return stage

    def perform(self, step: str, subject: Stage | Tensor, *args: Any) -> Any:
        """Executes a step of `STEPS` and records it; all or nothing.

        Raises
        ------
        ScheduleError:
            The step is impossible.
        """
        args = tuple(arg.item() if isinstance(arg, np.generic) else arg for arg in args)
        saved = _Saved(self)
        record = (step, *(encode(self, arg) for arg in (subject, *args)))
        try:
            result = STEPS[step](self, subject, *args)
            broken = broken_attachment(self)
            if broken:
                raise ScheduleError(f"{step} of {subject.name}: {broken}")
        except BaseException:
            saved.restore(self)
            raise
        self.steps.append(record)
        return result

    def _tensor(self, step: str, tensor: Tensor, *args: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise ScheduleError(f"{step} takes a tensor, not {tensor!r}")
        if tensor not in self.tensors.values():
            raise ScheduleError(f"{step} of {tensor.name}: it is not in this schedule")
        result = self.perform(step, tensor, *args)
        assert isinstance(result, Tensor)
        return result


class _Saved:
    """The state of a schedule before a step."""

    def __init__(self, schedule: Schedule) -> None:
        self.stages = [(stage, _copied_state(stage)) for stage in schedule.stages]
        self.tensors = dict(schedule.tensors)
        self.threads = list(schedule.threads)

    def restore(self, schedule: Schedule) -> None:
        schedule.stages[:] = [stage for stage, _ in self.stages]
        for stage, values in self.stages:
            vars(stage).update(values)
        schedule.tensors = self.tensors
        schedule.threads = self.threads


def create_schedule(outputs: Tensor | Operation | Sequence[Tensor | Operation]) -> Schedule:
    """The default schedule: every operation a loop nest of its own, at the root.

    Parameters
    ----------
    outputs:
        The tensors, or their operations, that are to be computed; what they read is found.

    Raises
    ------
    ScheduleError:
        An output is a placeholder, or nothing.
    """
    several = outputs if isinstance(outputs, Sequence) else [outputs]
    tensors: list[Tensor] = []
    for output in several:
        tensor = output if isinstance(output, Tensor) else Tensor(output)
        if not isinstance(tensor.op, ComputeOp):
            name = getattr(tensor.op, "name", output)
            raise ScheduleError(f"{name} is not computed; create_schedule takes what compute made")
        if tensor not in tensors:
            tensors.append(tensor)
    if not tensors:
        raise ScheduleError("create_schedule needs at least one output")
    return Schedule(tensors)


def _label(tensor: Tensor, suffix: str) -> str:
    return f"{getattr(tensor, 'name', tensor)}_{suffix}"


def _in_order(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The outputs and all that they read, each after what it reads."""
    done: dict[Tensor, None] = {}
    waiting: list[tuple[Tensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        if tensor in done:
            continue
        if ready:
            done[tensor] = None
            continue
        waiting.append((tensor, True))
        if isinstance(tensor.op, ComputeOp):
            waiting += [(read, False) for read in reversed(tensors_of(tensor.op.body))]
    return list(done)


def _copied_state(stage: Stage) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, list | dict) else value for name, value in vars(stage).items()}
