"""2-D convolution with lanes over output columns, for groups of few channels: depthwise ones above all."""

from __future__ import annotations

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.expr import Expr

from ..shapes import Conv2dShape, blocks
from .frame import Frame, frame, framed
from .knobs import Conv2dKnobs
from .operator import Array, CpuOperator
from .packing import check_constant
from .requantise import Result, channel_table, requantised, with_residual
from .schedules import schedule_columns


def conv2d_float32(shape: Conv2dShape, knobs: Conv2dKnobs, *, bias: bool, relu: bool) -> CpuOperator:
    """As `conv2d.conv2d_float32`."""
    data, weights = _inputs(shape, "float32")
    biases = te.placeholder((shape.oc,), "float32", name="bias")
    window, pixels, sums = _sums(shape, knobs, data, weights, "float32")

    def finish(n: Expr, k: Expr, y: Expr, x: Expr) -> Expr:
        value = sums[n, k, y, x]
        if bias:
            value = value + biases[k]
        return te.max(value, 0.0) if relu else value

    schedule, out = schedule_columns(shape.out_w, knobs, sums, finish, pixels if pixels != data else None)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], window, "float32")
        if bias:
            check_constant("conv2d", "bias", constants[1], (shape.oc,), "float32")
        return constants

    return CpuOperator("conv2d_float32", schedule, (data, weights, *([biases] if bias else []), out), pack)


def conv2d_int8(shape: Conv2dShape, knobs: Conv2dKnobs, result: Result, padding: int) -> CpuOperator:
    """As `conv2d.conv2d_int8`."""
    data, weights = _inputs(shape, "int8")
    table = te.placeholder((shape.oc, result.rows, 1), "int64", name="requantisation")
    window, pixels, sums = _sums(shape, knobs, data, weights, "int32", padding)
    inputs = [data]
    last = None
    if result.residual is not None:
        finished = result
        residual = te.placeholder((shape.n, shape.oc, shape.out_h, shape.out_w), "int8", name="residual")
        inputs.append(residual)

        def last(value: Expr, at: tuple[Expr, ...]) -> Expr:
            return with_residual(value, residual[at], finished)

    def finish(n: Expr, k: Expr, y: Expr, x: Expr) -> Expr:
        return requantised(sums[n, k, y, x], table, (k,), 0, result)

    schedule, out = schedule_columns(shape.out_w, knobs, sums, finish, pixels if pixels != data else None, last)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], window, "int8")
        rows = channel_table("conv2d", result, constants)
        return constants[0], np.ascontiguousarray(rows.T)[:, :, None]

    return CpuOperator("conv2d_int8", schedule, (*inputs, weights, table, out), pack)


def _inputs(shape: Conv2dShape, dtype: str) -> tuple[Tensor, Tensor]:
    channels = shape.ic // shape.groups
    data = te.placeholder((shape.n, shape.groups, channels, shape.h, shape.w), dtype, name="data")
    return data, te.placeholder((shape.oc, channels, shape.kh, shape.kw), dtype, name="weights")


def _sums(
    shape: Conv2dShape, knobs: Conv2dKnobs, data: Tensor, weights: Tensor, dtype: str, padding: int = 0
) -> tuple[tuple[int, ...], Tensor, Tensor]:
    """The shape of weights, the framed input, and the sums [n, oc, rows, columns] of a whole number of vectors."""
    channels, per_group = shape.ic // shape.groups, shape.oc // shape.groups
    tile = knobs.lanes * knobs.vectors
    cols = blocks(shape.out_w, tile) * tile
    around: Frame = frame(shape, cols)
    pixels = framed(data, around, padding)
    c, i, j = (te.reduce_axis((0, n), name) for n, name in ((channels, "c"), (shape.kh, "i"), (shape.kw, "j")))

    def product(n: Expr, k: Expr, y: Expr, x: Expr) -> Expr:
        row = y * around.strides[0] + i * shape.dilation[0]
        col = x * around.strides[1] + j * shape.dilation[1]
        pixel = te.cast(dtype, pixels[n, k // per_group, c, row, col])
        return te.sum(pixel * te.cast(dtype, weights[k, c, i, j]), axis=[c, i, j])

    sums = te.compute((shape.n, shape.oc, shape.out_h, cols), product, name="sums")
    return (shape.oc, channels, shape.kh, shape.kw), pixels, sums
