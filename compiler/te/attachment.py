"""Which placements of stages compute everything before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.compiler.tir.stmt import LoopKind

from .stage import Stage
from .tensor import Axis

if TYPE_CHECKING:
    from .schedule import Schedule


def broken_attachment(schedule: Schedule) -> str | None:
    """Why a stage cannot be computed where it is attached; None where all can.

    A stage at a loop is legal if the loop exists, no intrinsic or vector replaces it, and every reader, seen through
    those that are inline, is computed inside of it.
    """
    for stage in schedule.stages:
        if stage.attach is None:
            continue
        target, axis = stage.attach
        at = f"{stage.name} is computed at {axis} of {target.name}"
        if target.inline or axis not in target.leaves:
            return f"{at}, which would no longer be a loop; call compute_root on {stage.name} first"
        for leaf in target.leaves[: target.leaves.index(axis) + 1]:
            if target.loop(leaf).kind is LoopKind.VECTORIZED:
                return f"{at}, but {leaf} is vectorized; choose a loop outside of it"
            if target.tensorized and target.tensorized[0] is leaf:
                return f"{at}, but {target.tensorized[1].name} replaces the loops from {leaf} on"
        readers = effective_readers(schedule, stage)
        inside = [reader for reader in readers if _is_inside(reader, target, axis)]
        if not inside:
            return f"{at}, which does not read it"
        if len(inside) < len(readers):
            other = next(reader for reader in readers if reader not in inside)
            return f"{at}, but {other.name} reads it too, outside of that loop; compute {other.name} inside of it first"
    return None


def effective_readers(schedule: Schedule, stage: Stage) -> list[Stage]:
    """The stages in whose loops a stage is read: inline ones stand for their own readers."""
    found: dict[Stage, None] = {}
    for reader in schedule.readers(stage.origin):
        for effective in effective_readers(schedule, reader) if reader.inline else [reader]:
            found[effective] = None
    return list(found)


def _is_inside(reader: Stage, target: Stage, axis: Axis) -> bool:
    if reader is target:
        return True
    at: Stage = reader
    while at.attach is not None:
        outer, loop = at.attach
        if outer is target:
            return loop in target.leaves and target.leaves.index(loop) >= target.leaves.index(axis)
        at = outer
    return False
