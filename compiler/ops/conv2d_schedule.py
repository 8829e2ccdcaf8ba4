"""The schedule of a convolution for the accelerator."""

from __future__ import annotations

from dovetail.compiler import te as t
from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER, LANES, WGT_BUFFER, gemm
from dovetail.isa.config import Config

from .conv2d_expression import Conv2dExpression
from .knobs import At, Conv2dKnobs, Order, chunks
from .rules import require_fit


def schedule_conv2d(expression: Conv2dExpression, knobs: Conv2dKnobs, config: Config) -> t.Schedule:
    """Schedule a convolution.

    The output is made of tiles and blocks of channels; for each, the sums are made in chunks of the reduction. Within
    a chunk an output is finished before the next is begun, so that chunks become kernels of micro-ops and the loops
    over outputs those of the instruction.

    Raises
    ------
    OperatorError:
        The machine cannot run these knobs.
    """
    require_fit(expression.shape, knobs, config)
    s = t.create_schedule(expression.out)
    loops, block, tile, image = _outer(s, expression, knobs, config)
    weight = s.cache_read(expression.weight, WGT_BUFFER, [expression.acc])
    chunk = _reduction(s, expression, knobs, config)
    acc = s[expression.acc]
    acc.set_scope(ACC_BUFFER)
    acc.compute_at(s[expression.out], loops[-1])
    acc.ring_buffer(knobs.acc_copies)
    places = {At.IMAGE: image, At.TILE: tile, At.BLOCK: block}
    for tensor, scope, at, copies in (
        (expression.inp, INP_BUFFER, knobs.inputs, knobs.inp_copies),
        (weight, WGT_BUFFER, knobs.weights, knobs.wgt_copies),
    ):
        s[tensor].set_scope(scope)
        s[tensor].ring_buffer(copies)
        if at is At.CHUNK:
            assert chunk is not None
            s[tensor].compute_at(acc, chunk)
        elif at is not At.ROOT:
            s[tensor].compute_at(s[expression.out], places[at])
    return s


def _outer(
    s: t.Schedule, expression: Conv2dExpression, knobs: Conv2dKnobs, config: Config
) -> tuple[list[Axis], Axis, Axis, Axis]:
    """Tile the output. Returns its outer loops; of those the one over blocks, the last over tiles and over images."""
    out = s[expression.out]
    sample, *group, channel, row, col = out.op.axis
    lanes: list[Axis] = []
    if config.batch > 1:
        sample, lane = out.split(sample, factor=config.batch)
        lanes.append(lane)
    block, lane = out.split(channel, factor=config.block_out)
    lanes.append(lane)
    first = knobs.first_rows if knobs.first_rows < knobs.rows else None
    rows, row = out.split(row, factor=knobs.rows, first=first)
    cols, col = out.split(col, factor=knobs.cols)
    images, tiles = [sample, *group], [rows, cols]
    threads: list[Axis] = []
    if knobs.threads > 1:
        thread, tiles[0] = out.split(rows, nparts=knobs.threads)
        out.bind(thread, t.thread_axis("vthread"))
        threads.append(thread)
    loops = threads + images + ([*tiles, block] if knobs.order is Order.TILE else [block, *tiles])
    out.reorder(*loops, row, col, *lanes)
    out.pragma(lanes[0], LANES)
    return loops, block, tiles[-1], images[-1]


def _reduction(s: t.Schedule, expression: Conv2dExpression, knobs: Conv2dKnobs, config: Config) -> Axis | None:
    """Order and tensorize the loops of the sums. Returns the innermost loop over chunks, None if there is one chunk."""
    acc = s[expression.acc]
    sample, *group, channel, row, col = acc.op.axis
    lanes: list[Axis] = []
    if config.batch > 1:
        sample, lane = acc.split(sample, factor=config.batch)
        lanes.append(lane)
    block, lane = acc.split(channel, factor=config.block_out)
    lanes.append(lane)
    inner, lane = acc.split(expression.channel, factor=config.block_in)
    outer: list[Axis] = []
    kernel: list[Axis] = []
    sizes = (knobs.channels, knobs.kernel_rows, knobs.kernel_cols)
    axes = (inner, expression.kernel_row, expression.kernel_col)
    for axis, size, count in zip(axes, sizes, chunks(expression.shape, knobs), strict=True):
        if count > 1 or axis is inner:
            over, axis = acc.split(axis, factor=size)
            outer.append(over)
        kernel.append(axis)
    acc.reorder(sample, *group, block, *outer, row, col, *kernel, *lanes, lane)
    acc.tensorize(lanes[0], gemm(config))
    return outer[-1] if outer else None
