"""Pooling on the CPU, with lanes over output columns: any window, stride and padding, in float32 and in int8."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.compiler import te
from dovetail.compiler.te import Axis
from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Expr, Number

from ..pool2d import reciprocal
from ..quantise import requantise
from ..shapes import Conv2dShape, Pool2dShape, blocks
from .frame import frame, framed
from .knobs import conv2d_knobs
from .operator import CpuOperator
from .schedules import schedule_columns


def max_pool2d(shape: Pool2dShape, dtype: str = "float32") -> CpuOperator:
    """The greatest value of each window: [n, c, h, w] to [n, c, out_h, out_w], both float32 or both int8."""
    lowest: Number = float("-inf") if dtype == "float32" else limits(dtype)[0]

    def greatest(seen: Expr, window: list[Axis]) -> Expr:
        return te.max(seen, axis=window)

    return _pool2d("max_pool2d", shape, dtype, lowest, greatest, lambda value: value)


def avg_pool2d(shape: Pool2dShape, dtype: str = "float32") -> CpuOperator:
    """The mean of each window: [n, c, h, w] to [n, c, out_h, out_w], both float32 or both int8.

    Padding counts as zeros. int8 is multiplied by `reciprocal` of the window's size and rounded, ties to even, as on
    the accelerator.
    """
    size = shape.kh * shape.kw

    def total(seen: Expr, window: list[Axis]) -> Expr:
        return te.sum(seen if dtype == "float32" else te.cast("int32", seen), axis=window)

    def mean(value: Expr) -> Expr:
        if dtype == "float32":
            return value * (1.0 / size)
        multiplier, shift = reciprocal(size)
        return requantise(value, multiplier=multiplier, shift=shift)

    return _pool2d("avg_pool2d", shape, dtype, 0, total, mean)


def _pool2d(
    name: str,
    shape: Pool2dShape,
    dtype: str,
    padding: Number,
    combine: Callable[[Expr, list[Axis]], Expr],
    finish: Callable[[Expr], Expr],
) -> CpuOperator:
    windows = Conv2dShape(
        n=shape.n,
        h=shape.h,
        w=shape.w,
        ic=shape.c,
        oc=shape.c,
        kh=shape.kh,
        kw=shape.kw,
        strides=shape.strides,
        pads=shape.pads,
        groups=shape.c,
    )
    knobs = conv2d_knobs(windows)
    tile = knobs.lanes * knobs.vectors
    cols = blocks(shape.out_w, tile) * tile
    around = frame(windows, cols)
    data = te.placeholder((shape.n, shape.c, 1, shape.h, shape.w), dtype, name="data")
    pixels = framed(data, around, padding)
    i, j = te.reduce_axis((0, shape.kh), "i"), te.reduce_axis((0, shape.kw), "j")
    down, right = around.strides
    combined = te.compute(
        (shape.n, shape.c, 1, shape.out_h, cols),
        lambda n, c, _, y, x: combine(pixels[n, c, 0, y * down + i, x * right + j], [i, j]),
        name="combined",
    )
    schedule, out = schedule_columns(
        shape.out_w,
        knobs,
        combined,
        lambda value, _: finish(value),
        pixels if pixels != data else None,
    )
    return CpuOperator(name, schedule, (data, out), lambda: ())
