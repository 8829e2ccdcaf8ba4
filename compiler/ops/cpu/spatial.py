"""2-D convolution with lanes over output columns: for groups of few channels, depthwise ones above all, and for 1 x 1
kernels as products of weights with all pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.te import Schedule, Tensor
from dovetail.compiler.tir.expr import Expr

from ..shapes import Conv2dShape, blocks
from .frame import frame, framed
from .knobs import Conv2dKnobs, is_product
from .operator import Array, CpuOperator
from .packing import check_constant, in_tiles
from .requantise import Result, channel_table, requantised, with_residual
from .schedules import Finish, schedule_columns


def conv2d_float32(shape: Conv2dShape, knobs: Conv2dKnobs, *, bias: bool, relu: bool) -> CpuOperator:
    """As `conv2d.conv2d_float32`."""
    cut = _Cut(shape, knobs, "float32")
    biases = te.placeholder((cut.tiles, knobs.channels), "float32", name="bias")

    def finish(value: Expr, at: tuple[Expr, ...]) -> Expr:
        if bias:
            value = value + biases[at[1:3]]
        return te.max(value, 0.0) if relu else value

    schedule, out = cut.schedule("float32", finish)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], cut.window, "float32")
        packed = in_tiles(constants[0], knobs.channels)
        if not bias:
            return (packed,)
        check_constant("conv2d", "bias", constants[1], (shape.oc,), "float32")
        return packed, constants[1]

    return CpuOperator("conv2d_float32", schedule, (cut.data, cut.weights, *([biases] if bias else []), out), pack)


def conv2d_int8(shape: Conv2dShape, knobs: Conv2dKnobs, result: Result, padding: int) -> CpuOperator:
    """As `conv2d.conv2d_int8`."""
    cut = _Cut(shape, knobs, "int8", padding)
    table = te.placeholder((cut.tiles, knobs.channels, result.rows, 1), "int64", name="requantisation")
    inputs = [cut.data]
    last = None
    if result.residual is not None:
        finished = result
        residual = te.placeholder(cut.output, "int8", name="residual")
        inputs.append(residual)

        def last(value: Expr, at: tuple[Expr, ...]) -> Expr:
            return with_residual(value, residual[at], finished)

    def finish(value: Expr, at: tuple[Expr, ...]) -> Expr:
        return requantised(value, table, at[1:3], 0, result)

    schedule, out = cut.schedule("int32", finish, last)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], cut.window, "int8")
        rows = channel_table("conv2d", result, constants)
        return in_tiles(constants[0], knobs.channels), np.ascontiguousarray(rows.T)[:, :, None]

    return CpuOperator("conv2d_int8", schedule, (*inputs, cut.weights, table, out), pack)


class _Cut:
    """A convolution that is cut by knobs, with lanes over columns.

    Attributes
    ----------
    window:
        The shape of the weights.
    shape:
        With one row of all pixels where `is_product` says so.
    tiles:
        Of output channels.
    """

    def __init__(self, shape: Conv2dShape, knobs: Conv2dKnobs, dtype: str, padding: int = 0) -> None:
        self.knobs = knobs
        self.tiles = shape.oc // knobs.channels
        self.channels, self.per_group = shape.ic // shape.groups, shape.oc // shape.groups
        self.window = (shape.oc, self.channels, shape.kh, shape.kw)
        if is_product(shape, knobs):
            shape = replace(shape, h=1, w=shape.h * shape.w)
        self.shape = shape
        tile = knobs.lanes * knobs.vectors
        self.cols = blocks(shape.out_w, tile) * tile
        self.around = frame(shape, self.cols)
        data = (shape.n, shape.groups, self.channels, shape.h, shape.w)
        self.data = te.placeholder(data, dtype, name="data")
        weights = (self.tiles, self.channels, shape.kh, shape.kw, knobs.channels)
        self.weights = te.placeholder(weights, dtype, name="weights")
        self.pixels = framed(self.data, self.around, padding)

    @property
    def output(self) -> tuple[int, ...]:
        return (self.shape.n, self.tiles, self.knobs.channels, self.shape.out_h, self.shape.out_w)

    def schedule(self, dtype: str, finish: Finish, last: Finish | None = None) -> tuple[Schedule, Tensor]:
        """The loops and the output, see `schedule_columns`; sums are of type `dtype`."""
        shape, around, pixels, weights = self.shape, self.around, self.pixels, self.weights
        tiles = self.per_group // self.knobs.channels
        window = ((self.channels, "c"), (shape.kh, "i"), (shape.kw, "j"))
        c, i, j = (te.reduce_axis((0, size), name) for size, name in window)

        def product(n: Expr, k: Expr, u: Expr, y: Expr, x: Expr) -> Expr:
            row = y * around.strides[0] + i * shape.dilation[0]
            col = x * around.strides[1] + j * shape.dilation[1]
            pixel = te.cast(dtype, pixels[n, k // tiles, c, row, col])
            return te.sum(pixel * te.cast(dtype, weights[k, c, i, j, u]), axis=[c, i, j])

        sums = te.compute((*self.output[:-1], self.cols), product, name="sums")
        return schedule_columns(shape.out_w, self.knobs, sums, finish, pixels if pixels != self.data else None, last)
