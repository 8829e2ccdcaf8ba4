"""How far the loops of a stage run when the whole of its tensor is computed."""

from __future__ import annotations

from dovetail.compiler.tir.expr import Const, Expr

from .stage import Split, Stage
from .tensor import Axis


def axis_extents(stage: Stage) -> dict[Axis, Expr]:
    """The extent of every axis of a stage: of its operation and of all that steps made.

    The outer axis of a split that does not divide covers a last tile, or a first, that is not full.
    """
    extents = {axis: axis.extent for axis in (*stage.op.axis, *stage.op.reduce_axis) if axis.extent is not None}
    for relation in stage.relations:
        if isinstance(relation, Split):
            missing = relation.factor - (relation.first or relation.factor)
            extents[relation.outer] = (extents[relation.parent] + (missing + relation.factor - 1)) // relation.factor
            extents[relation.inner] = Const(relation.factor)
        else:
            extents[relation.fused] = extents[relation.outer] * extents[relation.inner]
    return extents


def constant_extent(stage: Stage, axis: Axis) -> int | None:
    """The extent of one axis; None where it is symbolic."""
    extent = axis_extents(stage)[axis]
    return int(extent.value) if isinstance(extent, Const) else None
