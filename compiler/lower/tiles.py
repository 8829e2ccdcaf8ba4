"""Loops that an intrinsic replaces, and the whole tiles that it computes."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.compiler.te.stage import Split, Stage
from dovetail.compiler.te.tensor import Axis

from .facts import Facts
from .spans import ZERO, Span


def first_replaced(stage: Stage) -> int:
    """The place of the outermost loop that an intrinsic replaces; beyond the last if there is none."""
    return stage.leaves.index(stage.tensorized[0]) if stage.tensorized is not None else len(stage.leaves)


def replaced(stage: Stage) -> Sequence[Axis]:
    """The loops that an intrinsic replaces, whose extents must be numbers."""
    return stage.leaves[first_replaced(stage) :]


def whole_tiles(stage: Stage, region: tuple[Span, ...], facts: Facts) -> tuple[Span, ...]:
    """The region of a stage, made larger to hold whole tiles of its intrinsic where its tensor has as much.

    Where less than a tile is read, as of a tensor that was padded to tiles, the intrinsic computes all of it anyway.
    """
    if stage.tensorized is None:
        return region
    return tuple(_enlarged(stage, axis, span, facts) for axis, span in zip(stage.op.axis, region, strict=True))


def _enlarged(stage: Stage, axis: Axis, span: Span, facts: Facts) -> Span:
    tile = _tile(stage, axis)
    if tile is None or facts.simplify(span.extent % tile) == ZERO:
        return span
    extent = facts.simplify((span.extent + tile - 1) // tile * tile)
    fits = axis.extent is not None and facts.proves(span.begin + extent <= axis.extent)
    return Span(span.begin, extent) if fits else span


def _tile(stage: Stage, axis: Axis) -> int | None:
    """The extent of the replaced loop that the tiles of an axis are; None if there is none."""
    splits = {split.parent: split for split in stage.relations if isinstance(split, Split)}
    factor = None
    while axis in splits:
        factor, axis = splits[axis].factor, splits[axis].inner
    return factor if axis in replaced(stage) else None
