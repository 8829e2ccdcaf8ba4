"""Schedules as text, for people: which loops, how they run, where and in which memory; not what is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dovetail.compiler.tir.stmt import GLOBAL, LoopKind

from .extents import axis_extents
from .stage import Split, Stage
from .tensor import Axis
from .walk import tensors_of

if TYPE_CHECKING:
    from .schedule import Schedule


def show(schedule: Schedule) -> str:
    """The loop nests of a schedule, each stage where it is computed, in the order of execution.

    An extent is that of the whole tensor, also where a stage that is computed inside of another does a part of it.
    """
    lines: list[str] = []
    for stage in schedule.stages:
        if stage.inline:
            lines.append(f"inline {stage.name}{_reads(schedule, stage)}")
    for stage in schedule.stages:
        if not stage.inline and stage.attach is None:
            lines += _nest(schedule, stage)
    return "\n".join(lines)


def _nest(schedule: Schedule, stage: Stage) -> list[str]:
    memory = "" if stage.scope == GLOBAL else f" in {stage.scope}"
    copies = f" x{stage.copies}" if stage.copies > 1 else ""
    lines = [f"{stage.name}{memory}{copies}:"]
    extents = axis_extents(stage)
    indent = "    "
    for leaf in stage.leaves:
        if stage.tensorized and stage.tensorized[0] is leaf:
            lines.append(f"{indent}{stage.tensorized[1].name} over {_names(stage, leaf)}{_reads(schedule, stage)}")
            return lines
        lines.append(f"{indent}{_loop(stage, leaf, extents[leaf])}")
        indent += "    "
        for other in schedule.stages:
            if other.attach == (stage, leaf):
                lines += [indent + line for line in _nest(schedule, other)]
    lines.append(f"{indent}{stage.name} = ...{_reads(schedule, stage)}")
    return lines


def _loop(stage: Stage, leaf: Axis, extent: Any) -> str:
    loop = stage.loop(leaf)
    kind = "" if loop.kind is LoopKind.SERIAL else f" {loop.kind.name.lower()}"
    if loop.thread is not None:
        kind = f" {loop.thread.thread}"
    notes = [f"{key}={value}" for key, value in loop.pragmas]
    for relation in stage.relations:
        if isinstance(relation, Split) and relation.outer is leaf and relation.first:
            notes.append(f"first tile {relation.first}")
    return f"for {leaf} in {extent}{kind}{' (' + ', '.join(notes) + ')' if notes else ''}"


def _names(stage: Stage, start: Axis) -> str:
    return ", ".join(leaf.name for leaf in stage.leaves[stage.leaves.index(start) :])


def _reads(schedule: Schedule, stage: Stage) -> str:
    names = {tensor: name for name, tensor in schedule.tensors.items()}
    read = [names[tensor] for tensor in tensors_of(stage.op.body)]
    return f" of {', '.join(read)}" if read else ""
