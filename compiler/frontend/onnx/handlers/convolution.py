"""Convolutions."""

from __future__ import annotations

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported, check_shape
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import Conv, ConvTranspose

from .windows import Window, positive, window


@handler("Conv")
def conv(ctx: NodeContext) -> Value:
    bias = ctx.optional(2)
    return convolved(ctx, ctx[0], ctx[1], *([] if bias is None else [bias]))


def convolved(ctx: NodeContext, data: Value, weight: Value, *bias: Value) -> Value:
    """The convolution that the node's attributes describe."""
    at = _window(ctx, data, weight)
    op = Conv(
        strides=at.strides,
        pads_begin=at.begin,
        pads_end=at.end,
        dilations=at.dilations,
        groups=ctx.integer("group", 1),
    )
    return ctx.emit(op, data, weight, *bias)


def _window(ctx: NodeContext, data: Value, weight: Value) -> Window:
    kernel = weight.type.shape[2:]
    if ctx.integers("kernel_shape", kernel) != kernel:
        raise Unsupported(f"kernel_shape {list(ctx.integers('kernel_shape'))} is not that of {weight.type}")
    return window(ctx, data.type, kernel)


@handler("ConvInteger")
def conv_integer(ctx: NodeContext) -> Value:
    zero_point = ctx.optional(3)
    if zero_point is not None and zero_point.type.size > 1:
        zero_point = ctx.reshape(zero_point, [zero_point.type.size, *[1] * (ctx[1].type.rank - 1)])
    return convolved(ctx, distance(ctx, ctx[0], ctx.optional(2)), distance(ctx, ctx[1], zero_point))


def distance(ctx: NodeContext, value: Value, zero_point: Value | None) -> Value:
    """int32 distance of a quantised value from its zero point."""
    wide = ctx.cast(value, "int32")
    return wide if zero_point is None else ctx.binary("sub", wide, ctx.cast(zero_point, "int32"))


@handler("ConvTranspose")
def conv_transpose(ctx: NodeContext) -> Value:
    data, weight, bias = ctx[0], ctx[1], ctx.optional(2)
    at = _window(ctx, data, weight)
    spatial = data.type.shape[2:]
    extra = ctx.integers("output_padding", (0,) * len(spatial))
    full = [
        (size - 1) * stride + more + span
        for size, stride, more, span in zip(spatial, at.strides, extra, at.spans, strict=True)
    ]
    check_shape((data.type.shape[0], *weight.type.shape[1:2], *full), data.type.numpy.itemsize, "the uncut result")
    if ctx.has("output_shape") or at.same:
        strided = tuple(size * stride for size, stride in zip(spatial, at.strides, strict=True))
        shape = positive(ctx, "output_shape", strided) if ctx.has("output_shape") else strided
        totals = [size - wanted for size, wanted in zip(full, shape, strict=True)]
        upper = ctx.text("auto_pad", "NOTSET") == "SAME_UPPER"
        begin = tuple(total // 2 if upper else total - total // 2 for total in totals)
    else:
        begin = at.begin
        shape = tuple(size - one - other for size, one, other in zip(full, at.begin, at.end, strict=True))
    op = ConvTranspose(
        strides=at.strides,
        pads_begin=begin,
        output_shape_spatial=shape,
        dilations=at.dilations,
        groups=ctx.integer("group", 1),
    )
    return ctx.emit(op, data, weight, *([] if bias is None else [bias]))
