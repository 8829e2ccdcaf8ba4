"""2-D convolution on the CPU, in float32 and in int8: any kernel, stride, padding, dilation and groups."""

from __future__ import annotations

from dovetail.compiler import te
from dovetail.compiler.codegen.llvm.intrinsics import dot4
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.expr import Expr

from ..errors import OperatorError
from ..measured import best_on_cpu
from ..operator import extents
from ..shapes import Conv2dShape, blocks
from . import spatial
from .frame import OFFSET, frame, framed, framed_unsigned
from .knobs import Conv2dKnobs, Unpack, conv2d_knobs, refusal
from .operator import Array, CpuOperator
from .packing import check_constant, conv2d_weights, in_lanes, table_in_lanes
from .requantise import MAX_SUM, Requantised, Result, channel_table, requantised, with_residual
from .schedules import schedule_channels

TOGETHER = 4
"""Products of a lane that a dot product adds up."""


def conv2d_float32(
    shape: Conv2dShape, *, bias: bool = False, relu: bool = False, knobs: Conv2dKnobs | None = None
) -> CpuOperator:
    """float32 [n, ic, h, w] to float32 [n, oc, out_h, out_w].

    Constants: weights float32 [oc, ic / groups, kh, kw] and, with `bias`, float32 [oc].

    Parameters
    ----------
    relu:
        What is below 0 becomes 0.
    knobs:
        By default those that were measured, or else those of `conv2d_knobs`.

    Raises
    ------
    OperatorError:
        `knobs` do not fit the shape.
    """
    knobs = _checked(shape, knobs, "float32")
    if not knobs.over_channels:
        return spatial.conv2d_float32(shape, knobs, bias=bias, relu=relu)
    cut = _Cut(shape, knobs)
    data = te.placeholder((shape.n, shape.groups, cut.channels, shape.h, shape.w), "float32", name="data")
    weights = te.placeholder(
        (shape.groups, cut.blocks, cut.channels, shape.kh, shape.kw, knobs.vectors, knobs.lanes),
        "float32",
        name="weights",
    )
    biases = te.placeholder((shape.groups, cut.blocks, knobs.vectors, knobs.lanes), "float32", name="bias")
    pixels = framed(data, cut.frame)
    c, i, j = (te.reduce_axis((0, size), name) for size, name in cut.window(cut.channels))

    def product(n: Expr, g: Expr, m: Expr, o: Expr, y: Expr, x: Expr, v: Expr) -> Expr:
        return te.sum(pixels[n, g, c, *cut.pixel(y, x, i, j)] * weights[g, m, c, i, j, o, v], axis=[c, i, j])

    sums = te.compute(cut.blocked, product, name="sums")

    def finish(n: Expr, g: Expr, m: Expr, o: Expr, y: Expr, x: Expr, v: Expr) -> Expr:
        value = sums[n, g, m, o, y, x, v]
        if bias:
            value = value + biases[g, m, o, v]
        return te.max(value, 0.0) if relu else value

    done = te.compute(cut.blocked, finish, name="done")
    out = cut.row_major(done)
    schedule = schedule_channels(out, out, done, sums, pixels if pixels != data else None, knobs)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], cut.weights, "float32")
        packed = conv2d_weights(constants[0], shape.groups, knobs.vectors, knobs.lanes)
        if not bias:
            return (packed,)
        check_constant("conv2d", "bias", constants[1], (shape.oc,), "float32")
        return packed, in_lanes(constants[1], shape.groups, knobs.vectors, knobs.lanes)

    return CpuOperator("conv2d_float32", schedule, (data, weights, *([biases] if bias else []), out), pack)


def conv2d_int8(
    shape: Conv2dShape,
    result: Result | None = None,
    *,
    padding: int = 0,
    knobs: Conv2dKnobs | None = None,
) -> CpuOperator:
    """int8 [n, ic, h, w], and the residual if there is one, to int8 [n, oc, out_h, out_w], requantised a channel at a
    time, or to the int32 sums.

    Constants: weights int8 [oc, ic / groups, kh, kw]; for int8 also bias and multiplier int32 [oc], shift [oc], 0 to
    63.

    Parameters
    ----------
    result:
        By default int8 without a zero point, limits or a residual, for any constants.
    padding:
        What pads hold: the zero point of the data.
    knobs:
        By default those that were measured, or else those of `conv2d_knobs`.

    Raises
    ------
    OperatorError:
        `knobs` do not fit the shape, or int32 cannot hold the sums.
    """
    knobs = _checked(shape, knobs, "int8")
    result = result or Requantised()
    if not knobs.over_channels:
        return spatial.conv2d_int8(shape, knobs, result, padding)
    cut = _Cut(shape, knobs)
    taps = cut.channels * shape.kh * shape.kw
    if taps * OFFSET * (2 * OFFSET - 1) > MAX_SUM:
        raise OperatorError(
            f"conv2d: int32 cannot hold sums of {taps} products; use fewer channels or a smaller kernel"
        )
    quads = blocks(cut.channels, TOGETHER)
    data = te.placeholder((shape.n, shape.groups, cut.channels, shape.h, shape.w), "int8", name="data")
    weights = te.placeholder(
        (shape.groups, cut.blocks, quads, shape.kh, shape.kw, knobs.vectors, knobs.lanes, TOGETHER),
        "int8",
        name="weights",
    )
    table = te.placeholder(
        (shape.groups, cut.blocks, knobs.vectors, result.rows, knobs.lanes), "int64", name="requantisation"
    )
    pixels = framed_unsigned(data, cut.frame, TOGETHER, padding)
    c, i, j = (te.reduce_axis((0, size), name) for size, name in cut.window(quads))
    u = te.reduce_axis((0, TOGETHER), "u")

    def product(n: Expr, g: Expr, m: Expr, o: Expr, y: Expr, x: Expr, v: Expr) -> Expr:
        pixel = te.cast("int32", pixels[n, g, c, *cut.pixel(y, x, i, j), u])
        return te.sum(pixel * te.cast("int32", weights[g, m, c, i, j, o, v, u]), axis=[c, i, j, u])

    sums = te.compute(cut.blocked, product, name="sums")

    def finish(n: Expr, g: Expr, m: Expr, o: Expr, y: Expr, x: Expr, v: Expr) -> Expr:
        return requantised(sums[n, g, m, o, y, x, v], table, (g, m, o), v, result)

    done = te.compute(cut.blocked, finish, name="done")
    turned = cut.row_major(done)
    inputs, out = [data], turned
    if result.residual is not None:
        scaled, finished = turned, result
        residual = te.placeholder(extents(turned), "int8", name="residual")
        inputs.append(residual)
        out = te.compute(extents(turned), lambda *at: with_residual(scaled[at], residual[at], finished), name="out")
    schedule = schedule_channels(out, turned, done, sums, pixels, knobs, dot4(knobs.lanes))

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], cut.weights, "int8")
        rows = channel_table("conv2d", result, constants, OFFSET)
        return (
            conv2d_weights(constants[0], shape.groups, knobs.vectors, knobs.lanes, TOGETHER),
            table_in_lanes(rows, shape.groups, knobs.vectors, knobs.lanes),
        )

    return CpuOperator("conv2d_int8", schedule, (*inputs, weights, table, out), pack)


class _Cut:
    """The sizes of a convolution that is cut by knobs, with lanes over channels."""

    def __init__(self, shape: Conv2dShape, knobs: Conv2dKnobs) -> None:
        self.shape, self.knobs = shape, knobs
        self.channels, self.per_group = shape.ic // shape.groups, shape.oc // shape.groups
        self.blocks = blocks(self.per_group, knobs.vectors * knobs.lanes)
        self.out_cols = blocks(shape.out_w, knobs.cols) * knobs.cols
        self.out_rows = blocks(shape.out_h, knobs.rows) * knobs.rows
        self.frame = frame(shape, self.out_cols, self.out_rows, knobs.compact)

    @property
    def weights(self) -> tuple[int, ...]:
        return (self.shape.oc, self.channels, self.shape.kh, self.shape.kw)

    @property
    def blocked(self) -> tuple[int, ...]:
        """n, groups, blocks, vectors, rows, columns, lanes."""
        shape, knobs = self.shape, self.knobs
        return (shape.n, shape.groups, self.blocks, knobs.vectors, self.out_rows, self.out_cols, knobs.lanes)

    def window(self, channels: int) -> tuple[tuple[int, str], ...]:
        return (channels, "c"), (self.shape.kh, "i"), (self.shape.kw, "j")

    def pixel(self, y: Expr, x: Expr, i: te.Axis, j: te.Axis) -> tuple[Expr, Expr]:
        """Row and column of the frame."""
        (stride_h, stride_w), (dilation_h, dilation_w) = self.frame.strides, self.shape.dilation
        return y * stride_h + i * dilation_h, x * stride_w + j * dilation_w

    def row_major(self, done: Tensor) -> Tensor:
        """The output; its axes of channels stay split where the blocks are whole."""
        shape, vectors, lanes = self.shape, self.knobs.vectors, self.knobs.lanes
        if self.knobs.unpack is Unpack.ROW:
            return te.compute(
                (shape.n, shape.groups, self.blocks, vectors, lanes, shape.out_h, shape.out_w),
                lambda n, g, m, o, v, y, x: done[n, g, m, o, y, x, v],
                name="out",
            )
        return te.compute(
            (shape.n, shape.groups, self.per_group, shape.out_h, shape.out_w),
            lambda n, g, k, y, x: done[n, g, k // (vectors * lanes), k // lanes % vectors, y, x, k % lanes],
            name="out",
        )


def _checked(shape: Conv2dShape, knobs: Conv2dKnobs | None, dtype: str) -> Conv2dKnobs:
    if knobs is None:
        return best_on_cpu(shape, dtype) or conv2d_knobs(shape)
    refused = refusal(shape, knobs)
    if refused is not None:
        raise OperatorError(f"conv2d: {refused[1]}")
    return knobs
