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

from .knobs import Conv2dKnobs, Unpack


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
    s[done].reorder(n, g, m, y, xo, xi, o, v)
    for axis in (o, xi):
        s[done].unroll(axis)
    s[done].vectorize(v)
    if knobs.unpack is Unpack.ROW:
        row = None
        if turned != out:
            on, og, om, oo, ov, oy, ox = s[out].op.axis
            s[out].reorder(on, og, om, oy, oo, ov, ox)
            row = parallel(s[out], (on, og, om, oy))
            s[turned].set_scope(LOCAL)
            s[turned].compute_at(s[out], row)
        bn, bg, bm, bo, bv, by, bx = s[turned].op.axis
        width = largest_divisor(bx.extent, knobs.lanes)
        bxo, bxi = s[turned].split(bx, factor=width)
        s[turned].reorder(bn, bg, bm, by, bo, bxo, bv, bxi)
        if width > 1:
            s[turned].tensorize(bv, transpose(width, knobs.lanes, turned.dtype))
        s[done].set_scope(LOCAL)
        s[done].compute_at(s[out], row or parallel(s[turned], (bn, bg, bm, by)))
    else:
        parallel(s[done], (n, g, m, y))
        if turned != out:
            s[turned].compute_inline()
        parallel(s[out], s[out].op.axis[:3])
    s[sums].set_scope(LOCAL)
    s[sums].compute_at(s[done], xo)
    _, _, _, o, _, x, v = s[sums].op.axis
    taps = s[sums].op.reduce_axis
    s[sums].reorder(*taps[:3], x, o, v, *taps[3:])
    for axis in (o, x):
        s[sums].unroll(axis)
    if intrinsic is None:
        s[sums].vectorize(v)
    else:
        s[sums].tensorize(v, intrinsic)
    return s


def schedule_columns(
    out_w: int,
    knobs: Conv2dKnobs,
    sums: Tensor,
    finish: Callable[[Expr, Expr, Expr, Expr], Expr],
    pixels: Tensor | None,
    last: Callable[[Expr, tuple[Expr, ...]], Expr] | None = None,
) -> tuple[Schedule, Tensor]:
    """Sums of vectors of columns, in registers, over the whole window; then they are finished.

    Parameters
    ----------
    sums:
        [n, channels, rows, columns], of a whole number of vectors of columns.
    finish:
        A result at n, channel, row, column.
    pixels:
        The computed input, if there is one.
    last:
        The output for a finished sum, at n, channel, row, column; by default that itself.

    Returns
    -------
    The schedule, and the output: without the columns that fill up vectors.
    """
    done = te.compute(sums.shape, finish, name="done")

    def row_major(n: Expr, k: Expr, y: Expr, x: Expr) -> Expr:
        value = done[n, k, y, x]
        return last(value, (n, k, y, x)) if last else value

    out = te.compute((*sums.shape[:3], out_w), row_major, name="out")
    s = te.create_schedule(out)
    if pixels is not None:
        schedule_frame(s[pixels])
    row = parallel(s[out], s[out].op.axis[:3])
    s[done].set_scope(LOCAL)
    s[done].compute_at(s[out], row)
    s[done].compute_whole(s[done].op.axis[3])
    tile, inner = s[done].split(s[done].op.axis[3], factor=knobs.lanes * knobs.vectors)
    vector, lane = s[done].split(inner, factor=knobs.lanes)
    s[done].unroll(vector)
    s[done].vectorize(lane)
    s[sums].set_scope(LOCAL)
    s[sums].compute_at(s[done], tile)
    vector, lane = s[sums].split(s[sums].op.axis[3], factor=knobs.lanes)
    s[sums].reorder(*s[sums].op.reduce_axis, vector, lane)
    s[sums].unroll(vector)
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
