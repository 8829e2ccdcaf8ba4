"""What steps have in common to check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dovetail.compiler.tir.stmt import LoopKind

from ..errors import ScheduleError
from ..stage import Split, Stage
from ..tensor import Axis

if TYPE_CHECKING:
    from ..schedule import Schedule


def refuse(step: str, what: object, stage: Stage, reason: str) -> NoReturn:
    """Raises the error of a step that `stage` cannot take."""
    raise ScheduleError(f"{step} of {what} in {stage.name}: {reason}")


def check_not_inline(step: str, stage: Stage) -> None:
    """Refuses a step on the loops of a stage that has none."""
    if stage.inline:
        raise ScheduleError(
            f"{step} of {stage.name}: it is computed inline and has no loops; call compute_root on it first"
        )


def check_leaf(step: str, schedule: Schedule, stage: Stage, axis: Any) -> None:
    """Refuses an axis that is not a loop of the stage."""
    check_not_inline(step, stage)
    if axis in stage.leaves:
        return
    if not isinstance(axis, Axis):
        refuse(step, axis, stage, f"an axis is needed, such as {stage.leaves[0]}" if stage.leaves else "no axis")
    for relation in stage.relations:
        if isinstance(relation, Split) and relation.parent is axis:
            refuse(step, axis, stage, f"it was split; use {relation.outer} or {relation.inner}")
        if not isinstance(relation, Split) and axis in (relation.outer, relation.inner):
            refuse(step, axis, stage, f"it was fused; use {relation.fused}")
    for other in schedule.stages:
        if axis in other.axes:
            refuse(step, axis, stage, f"it is an axis of {other.name}; take axes from s[{stage.name}].op")
    loops = ", ".join(leaf.name for leaf in stage.leaves)
    refuse(step, axis, stage, f"the stage has no such loop, only {loops}; take axes from s[{stage.name}].op")


def check_free(step: str, schedule: Schedule, stage: Stage, axis: Axis) -> None:
    """Refuses to change a loop about which more has been said than that it exists."""
    check_leaf(step, schedule, stage, axis)
    check_not_tensorized(step, stage, axis)
    loop = stage.loop(axis)
    if loop.kind is not LoopKind.SERIAL or loop.pragmas:
        said = loop.kind.name.lower() if loop.kind is not LoopKind.SERIAL else f"marked {loop.pragmas[0][0]!r}"
        refuse(step, axis, stage, f"it is {said} already; {step} before that")
    for other in schedule.stages:
        if other.attach == (stage, axis):
            refuse(step, axis, stage, f"{other.name} is computed at it; {step} before compute_at")


def check_not_tensorized(step: str, stage: Stage, axis: Axis) -> None:
    """Refuses to change a loop that an intrinsic replaces."""
    if stage.tensorized is None:
        return
    start, intrinsic = stage.tensorized
    if stage.leaves.index(axis) >= stage.leaves.index(start):
        refuse(step, axis, stage, f"{intrinsic.name} replaces the loops from {start} on; {step} before tensorize")
