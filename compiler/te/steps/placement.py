"""Steps that say where a stage is computed and where its result lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.compiler.tir.stmt import GLOBAL, LoopKind

from ..errors import ScheduleError
from ..intrinsic import TensorIntrinsic
from ..stage import Stage
from ..tensor import Axis, Reduce
from .checks import check_leaf, check_not_inline, refuse

if TYPE_CHECKING:
    from ..schedule import Schedule


def compute_at(schedule: Schedule, stage: Stage, target: Stage, axis: Axis) -> None:
    """The stage is computed in the body of another one's loop, as much of it as is read there."""
    check_not_inline("compute_at", stage)
    if stage.output:
        raise ScheduleError(f"compute_at of {stage.name}: it is an output, which is computed at the root")
    check_leaf("compute_at", schedule, target, axis)
    outer: Stage | None = target
    while outer is not None:
        if outer is stage:
            raise ScheduleError(f"compute_at of {stage.name}: {target.name} is itself computed inside of {stage.name}")
        outer = outer.attach[0] if outer.attach else None
    stage.attach = (target, axis)


def compute_root(schedule: Schedule, stage: Stage) -> None:
    """The stage has loops of its own, outside of all others."""
    stage.attach = None
    stage.inline = False


def compute_inline(schedule: Schedule, stage: Stage) -> None:
    """The stage's body is computed anew wherever it is read."""
    reason = None
    if stage.output:
        reason = "it is an output, which must be stored"
    elif isinstance(stage.op.body, Reduce):
        reason = "it is a reduction, which is no expression of its reader"
    elif stage.tensorized:
        reason = f"its loops are tensorized by {stage.tensorized[1].name}"
    for other in schedule.stages:
        if other.attach and other.attach[0] is stage:
            reason = f"{other.name} is computed at its {other.attach[1]}"
    if reason:
        raise ScheduleError(f"compute_inline of {stage.name}: {reason}")
    stage.attach = None
    stage.inline = True


def compute_whole(schedule: Schedule, stage: Stage, axis: Axis) -> None:
    """All of an axis is computed, whatever is read."""
    check_not_inline("compute_whole", stage)
    if axis not in stage.op.axis:
        axes = ", ".join(known.name for known in stage.op.axis)
        refuse("compute_whole", axis, stage, f"it is not an axis of the tensor, which are {axes}")
    if axis not in stage.whole:
        stage.whole.append(axis)


def set_scope(schedule: Schedule, stage: Stage, scope: str) -> None:
    """The stage's result lies in that memory."""
    check_not_inline("set_scope", stage)
    if not isinstance(scope, str) or not scope:
        raise ScheduleError(f"set_scope of {stage.name}: a scope is a name such as {GLOBAL!r}, not {scope!r}")
    if stage.output and scope != GLOBAL:
        raise ScheduleError(
            f"set_scope of {stage.name}: outputs lie in {GLOBAL}; compute it in {scope} with cache_write"
        )
    stage.scope = scope


def ring_buffer(schedule: Schedule, stage: Stage, copies: int) -> None:
    """The stage's buffer has copies that are used in turn."""
    check_not_inline("ring_buffer", stage)
    if not isinstance(copies, int) or isinstance(copies, bool) or copies < 1:
        raise ScheduleError(f"ring_buffer of {stage.name}: copies must be an integer of at least 1, not {copies}")
    if stage.output and copies > 1:
        raise ScheduleError(f"ring_buffer of {stage.name}: it is an output, of which there is one")
    stage.copies = copies


def tensorize(schedule: Schedule, stage: Stage, axis: Axis, intrinsic: TensorIntrinsic) -> None:
    """An intrinsic replaces a loop and all loops inside of it."""
    check_leaf("tensorize", schedule, stage, axis)
    if not isinstance(intrinsic, TensorIntrinsic):
        refuse("tensorize", axis, stage, f"{intrinsic!r} is not a tensor intrinsic")
    if stage.tensorized:
        refuse("tensorize", axis, stage, f"{stage.tensorized[1].name} replaces the loops from {stage.tensorized[0]} on")
    for leaf in stage.leaves[stage.leaves.index(axis) :]:
        if stage.loop(leaf).kind is not LoopKind.SERIAL:
            refuse("tensorize", axis, stage, f"{leaf}, which it would replace, is {stage.loop(leaf).kind.name.lower()}")
    stage.tensorized = (axis, intrinsic)
