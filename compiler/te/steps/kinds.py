"""Steps that say how a loop runs: vectorize, parallel, unroll, bind, pragma."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import LoopKind

from ..extents import axis_extents, constant_extent
from ..stage import Split, Stage
from ..tensor import Axis, AxisKind
from .checks import check_leaf, check_not_tensorized, refuse

if TYPE_CHECKING:
    from ..schedule import Schedule

VTHREAD = "vthread"


def vectorize(schedule: Schedule, stage: Stage, axis: Axis) -> None:
    """The loop's iterations become lanes of vectors."""
    _check_independent("vectorize", schedule, stage, axis)
    _check_constant("vectorize", stage, axis)
    _set_kind("vectorize", stage, axis, LoopKind.VECTORIZED)


def parallel(schedule: Schedule, stage: Stage, axis: Axis) -> None:
    """Several threads execute the loop's iterations."""
    _check_independent("parallel", schedule, stage, axis)
    _set_kind("parallel", stage, axis, LoopKind.PARALLEL)


def unroll(schedule: Schedule, stage: Stage, axis: Axis) -> None:
    """The loop's iterations are written out."""
    check_leaf("unroll", schedule, stage, axis)
    _check_constant("unroll", stage, axis)
    _set_kind("unroll", stage, axis, LoopKind.UNROLLED)


def bind(schedule: Schedule, stage: Stage, axis: Axis, thread: Axis) -> None:
    """Threads, or virtual threads, execute the loop's iterations."""
    if not isinstance(thread, Axis) or thread.kind is not AxisKind.THREAD:
        refuse("bind", axis, stage, f"{thread} is not a thread axis; make one with thread_axis")
    _check_independent("bind", schedule, stage, axis)
    _check_constant("bind", stage, axis)
    factor = _factor(stage, axis)
    if factor is not None and thread.extent is not None and thread.extent != Const(factor):
        refuse("bind", axis, stage, f"its extent is {factor}, that of {thread.thread} {thread.extent}")
    for leaf, loop in stage.attributes.items():
        if loop.thread is not None and (loop.thread is thread or thread.thread == loop.thread.thread != VTHREAD):
            refuse("bind", axis, stage, f"{leaf} is bound to {thread.thread} already")
    kind = LoopKind.VTHREAD if thread.thread == VTHREAD else LoopKind.THREAD
    _set_kind("bind", stage, axis, kind)
    stage.attributes[axis] = replace(stage.loop(axis), thread=thread)


def pragma(schedule: Schedule, stage: Stage, axis: Axis, key: str, value: Any) -> None:
    """Says something of the loop that only a code generator understands."""
    check_leaf("pragma", schedule, stage, axis)
    if not isinstance(value, bool | int | float | str):
        refuse("pragma", axis, stage, f"the value of {key!r} must be a number, a string or a boolean, not {value!r}")
    loop = stage.loop(axis)
    others = tuple(pair for pair in loop.pragmas if pair[0] != key)
    stage.attributes[axis] = replace(loop, pragmas=(*others, (key, value)))


def _check_independent(step: str, schedule: Schedule, stage: Stage, axis: Axis) -> None:
    check_leaf(step, schedule, stage, axis)
    if axis.kind is AxisKind.REDUCE:
        refuse(step, axis, stage, "it is a reduce axis, whose iterations all update one value; rfactor it first")


def _check_constant(step: str, stage: Stage, axis: Axis) -> None:
    """Refuses a symbolic loop of an output, whose extents no attachment makes smaller."""
    if stage.output and constant_extent(stage, axis) is None:
        refuse(step, axis, stage, f"its extent, {axis_extents(stage)[axis]}, is not constant; split it by a factor")


def _factor(stage: Stage, axis: Axis) -> int | None:
    """The extent of an axis that a split made so, wherever the stage is computed."""
    for relation in stage.relations:
        if isinstance(relation, Split) and relation.inner is axis:
            return relation.factor
    return None


def _set_kind(step: str, stage: Stage, axis: Axis, kind: LoopKind) -> None:
    check_not_tensorized(step, stage, axis)
    loop = stage.loop(axis)
    if loop.kind is not LoopKind.SERIAL:
        refuse(step, axis, stage, f"it is {loop.kind.name.lower()} already")
    stage.attributes[axis] = replace(loop, kind=kind)
