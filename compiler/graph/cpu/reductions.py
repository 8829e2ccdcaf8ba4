"""Loops for sums and their like, whose results are to stay in registers until they are complete."""

from __future__ import annotations

from dovetail.compiler.te import Axis, Schedule, Tensor
from dovetail.compiler.te.tensor import ComputeOp, Reduce
from dovetail.compiler.tir.dtypes import is_float
from dovetail.compiler.tir.simplify import linear
from dovetail.compiler.tir.stmt import LOCAL

from .expressions import extent, iterations, reads, uses
from .sharing import share

ROWS, COLUMNS = 6, 32
"""At most so many results are computed at once."""
LEAST = 4
"""Fewer lanes are no vector."""
PARTS = 16
"""Sums of neighbours that one sum of floats along memory is made of."""


def lane_of(op: ComputeOp) -> Axis | None:
    """The last axis of a reduction, if neighbours along it are computed from neighbours."""
    if not isinstance(op.body, Reduce) or not op.axis or extent(op.axis[-1]) < LEAST:
        return None
    lane = op.axis[-1]
    along = 0
    for read in reads(op.body):
        if any(uses(index, lane.var) for index in read.indices[:-1]):
            return None
        if read.indices and uses(read.indices[-1], lane.var):
            parts = linear(read.indices[-1], [lane.var])
            if parts is None or parts[0][lane.var] not in (1, 2):
                return None
            along += 1
    return lane if along else None


def tile(s: Schedule, tensor: Tensor, lane: Axis) -> None:
    """A tile of rows and columns, whose lanes are `lane`, is computed over all that it is combined from."""
    op = s[tensor].op
    place = _row_of(op, lane)
    sums = s.cache_write(tensor, LOCAL, name=f"{op.name}_tile")
    stage = s[tensor]
    *outer, column = stage.op.axis
    width = _divisor(extent(column), COLUMNS)
    whole = width >= LEAST
    tiles, lanes = stage.split(column, factor=width if whole else COLUMNS)
    inner = [lanes]
    height = _divisor(extent(op.axis[place]), ROWS) if place is not None else 1
    if place is not None and height > 1:
        outer[place], rows = stage.split(outer[place], factor=height)
        inner.insert(0, rows)
    stage.reorder(*outer, tiles, *inner)
    loops = share(stage, [*outer, tiles], iterations(op))
    s[sums].compute_at(stage, loops[-1])
    own = s[sums].op
    kept = [own.axis[place]] if place is not None and height > 1 else []
    single = [axis for axis in own.axis[:-1] if axis not in kept]
    s[sums].reorder(*single, *own.reduce_axis, *kept, own.axis[-1])
    for axis in kept:
        s[sums].unroll(axis)
    if whole:
        s[sums].vectorize(own.axis[-1])
        stage.vectorize(lanes)


def fold(s: Schedule, tensor: Tensor) -> None:
    """A result at a time; a sum of floats along memory is made of several, which go on at the same time."""
    op = s[tensor].op
    assert isinstance(op.body, Reduce)
    along = op.reduce_axis[-1]
    parts = _divisor(extent(along), PARTS)
    if not is_float(op.dtype) or parts < LEAST or len(s[tensor].leaves) == len(op.reduce_axis):
        share(s[tensor], op.axis, iterations(op))
        return
    _, lanes = s[tensor].split(along, factor=parts)
    partial = s.rfactor(tensor, lanes, name=f"{op.name}_parts")
    loops = share(s[tensor], op.axis, iterations(op))
    s[partial].set_scope(LOCAL)
    s[partial].compute_at(s[tensor], loops[-1])
    first, *others = s[partial].op.axis
    s[partial].reorder(*others, *s[partial].op.reduce_axis, first)
    s[partial].vectorize(first)


def _row_of(op: ComputeOp, lane: Axis) -> int | None:
    """The place of an axis that what is read along `lane` does not depend on, so that rows of it share that."""
    along = [read for read in reads(op.body) if uses(read.indices[-1] if read.indices else read, lane.var)]
    for place in reversed(range(len(op.axis) - 1)):
        var = op.axis[place].var
        if extent(op.axis[place]) > 1 and not any(uses(read, var) for read in along):
            return place
    return None


def _divisor(size: int, most: int) -> int:
    """The largest divisor of `size` that is at most `most`."""
    return next(divisor for divisor in range(min(size, most), 0, -1) if size % divisor == 0)
