"""The loops that CPU operators have in common."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from dovetail.compiler import te
from dovetail.compiler.codegen.llvm.intrinsics import transpose
from dovetail.compiler.te import Axis, Schedule, Tensor, TensorIntrinsic
from dovetail.compiler.te.scheduled import ScheduledStage
from dovetail.compiler.tir.expr import Const, Expr
from dovetail.compiler.tir.stmt import LOCAL

from .knobs import Conv2dKnobs, Order, Unpack

Finish = Callable[[Expr, tuple[Expr, ...]], Expr]
"""What becomes of a value at a place of a tensor."""


def schedule_channels(
    out: Tensor,
    turned: Tensor,
    done: Tensor,
    sums: Tensor,
    pixels: Tensor | None,
    knobs: Conv2dKnobs,
    intrinsic: TensorIntrinsic | None = None,
) -> Schedule:
    """Sums of a tile, all in registers, over the whole window; then they are finished, and later unpacked.

    Parameters
    ----------
    out, turned:
        The output, and what it is computed from element by element, if that is another tensor; row-major.
    done, sums:
        In blocks [n, groups, blocks, vectors, rows, columns, lanes], finished and raw sums.
    pixels:
        The computed input, if there is one.
    intrinsic:
        What computes the lanes of a sum over its last reduce axis.
    """
    s = te.create_schedule(out)
    if pixels is not None:
        schedule_frame(s[pixels])
    n, g, m, o, y, x, v = s[done].op.axis
    for axis in (x, v):
        s[done].compute_whole(axis)
    xo, xi = s[done].split(x, factor=knobs.cols)
    if knobs.unpack is Unpack.ROW:
        _unpack_tiles_of_rows(s, out, turned, done, knobs)
        s[done].reorder(n, g, m, xo, y, xi, o, v)
        yi = y
    else:
        s[done].compute_whole(y)
        yo, yi = _rows(s[done], y, knobs)
        s[done].reorder(n, g, m, yo, xo, *([] if yi == yo else [yi]), xi, o, v)
        parallel(s[done], _outer(n, g, m, yo, knobs))
        if turned != out:
            s[turned].compute_inline()
        parallel(s[out], s[out].op.axis[:3])
    for axis in (o, xi, *([yi] if knobs.rows > 1 else [])):
        s[done].unroll(axis)
    s[done].vectorize(v)
    s[sums].set_scope(LOCAL)
    s[sums].compute_at(s[done], xo)
    _, _, _, o, y, x, v = s[sums].op.axis
    c, i, j, *together = s[sums].op.reduce_axis
    s[sums].reorder(c, i, j, y, x, o, v, *together)
    for axis in (o, x, *([y] if knobs.rows > 1 else [])):
        s[sums].unroll(axis)
    if intrinsic is None:
        s[sums].vectorize(v)
    else:
        s[sums].tensorize(v, intrinsic)
    return s


def _unpack_tiles_of_rows(s: Schedule, out: Tensor, turned: Tensor, done: Tensor, knobs: Conv2dKnobs) -> None:
    """Finished sums become row-major in the loop over tiles of rows, as squares that are transposed in registers."""
    bn, bg, bm, bo, bv, by, bx = s[turned].op.axis
    row = None
    if turned != out:
        on, og, om, oo, ov, oy, ox = s[out].op.axis
        oyo, oyi = _rows(s[out], oy, knobs)
        s[out].reorder(on, og, om, oyo, *([] if oyi == oyo else [oyi]), oo, ov, ox)
        row = parallel(s[out], _outer(on, og, om, oyo, knobs))
        s[turned].set_scope(LOCAL)
        s[turned].compute_at(s[out], row)
        rows = [by]
    else:
        rows = list(dict.fromkeys(_rows(s[turned], by, knobs)))
    width = largest_divisor(bx.extent, knobs.lanes)
    bxo, bxi = s[turned].split(bx, factor=width)
    s[turned].reorder(bn, bg, bm, *rows, bo, bxo, bv, bxi)
    if width > 1:
        s[turned].tensorize(bv, transpose(width, knobs.lanes, turned.dtype))
    s[done].set_scope(LOCAL)
    s[done].compute_at(s[out], row or parallel(s[turned], _outer(bn, bg, bm, rows[0], knobs)))


def _rows(stage: ScheduledStage, y: Axis, knobs: Conv2dKnobs) -> tuple[Axis, Axis]:
    """The loops over tiles of rows and the rows of a tile; one and the same where tiles are a row."""
    return stage.split(y, factor=knobs.rows) if knobs.rows > 1 else (y, y)


def _outer(n: Axis, g: Axis, m: Axis, y: Axis, knobs: Conv2dKnobs) -> tuple[Axis, ...]:
    """The loops around a tile of rows."""
    return (n, g, m, y) if knobs.order is Order.BLOCK else (n, g, y, m)


def schedule_columns(
    out_w: int,
    knobs: Conv2dKnobs,
    sums: Tensor,
    finish: Finish,
    pixels: Tensor | None,
    last: Finish | None = None,
) -> tuple[Schedule, Tensor]:
    """Sums of vectors of columns, in registers, over the whole window; then they are finished.

    Parameters
    ----------
    sums:
        [n, tiles, channels of a tile, rows, columns], of a whole number of vectors of columns.
    finish:
        A result for a sum.
    pixels:
        The computed input, if there is one.
    last:
        The output for a finished sum; by default that itself.

    Returns
    -------
    The schedule, and the output: without the columns that fill up vectors.
    """
    whole = last is None and sums.shape[-1] == Const(out_w)
    done = te.compute(sums.shape, lambda *at: finish(sums[at], at), name="out" if whole else "done")
    out = done
    if not whole:
        out = te.compute((*sums.shape[:-1], out_w), lambda *at: last(done[at], at) if last else done[at], name="out")
    s = te.create_schedule(out)
    if pixels is not None:
        schedule_frame(s[pixels])
    n, k, u, y, x = s[done].op.axis
    tile, inner = s[done].split(x, factor=knobs.lanes * knobs.vectors)
    vector, lane = s[done].split(inner, factor=knobs.lanes)
    s[done].reorder(n, k, y, tile, u, vector, lane)
    for axis in (u, vector):
        s[done].unroll(axis)
    s[done].vectorize(lane)
    if whole:
        grain = (y,) if y.extent != Const(1) else (y, tile)
        place = parallel(s[done], (n, k, *grain) if knobs.order is Order.BLOCK else (n, *grain, k))
        place = tile if len(grain) == 1 else place
    else:
        on, ok, ou, oy, ox = s[out].op.axis
        s[out].reorder(on, ok, oy, ou, ox)
        row = parallel(s[out], (on, ok, oy) if knobs.order is Order.BLOCK else (on, oy, ok))
        s[done].set_scope(LOCAL)
        s[done].compute_at(s[out], row)
        s[done].compute_whole(x)
        place = tile
    s[sums].set_scope(LOCAL)
    s[sums].compute_at(s[done], place)
    _, _, u, _, x = s[sums].op.axis
    vector, lane = s[sums].split(x, factor=knobs.lanes)
    s[sums].reorder(*s[sums].op.reduce_axis, u, vector, lane)
    for axis in (u, vector):
        s[sums].unroll(axis)
    s[sums].vectorize(lane)
    return s, out


def largest_divisor(extent: Expr | None, limit: int) -> int:
    """The largest divisor of a constant extent up to `limit`."""
    assert isinstance(extent, Const)
    return max(size for size in range(1, limit + 1) if int(extent.value) % size == 0)


def schedule_frame(stage: ScheduledStage) -> None:
    """Threads share the channels; four channels that lie together are written out."""
    n, g, c, _, _, *together = stage.op.axis
    for axis in together:
        stage.unroll(axis)
    parallel(stage, (n, g, c))


def parallel(stage: ScheduledStage, axes: tuple[Axis, ...]) -> Axis:
    """Makes one parallel loop of neighbouring loops, of those that are more than one iteration."""
    real = [axis for axis in axes if axis.extent != Const(1)] or [axes[-1]]
    stage.reorder(*(axis for axis in axes if axis not in real), *real)
    fused = stage.fuse(*real) if len(real) > 1 else real[0]
    if prod(int(axis.extent.value) for axis in real if isinstance(axis.extent, Const)) > 1:
        stage.parallel(fused)
    return fused
