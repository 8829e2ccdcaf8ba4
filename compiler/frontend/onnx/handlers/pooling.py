"""Pooling."""

from __future__ import annotations

from math import prod

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import Conv
from dovetail.compiler.graph.ops.pooling import Pool

from .windows import window


@handler("MaxPool", "AveragePool")
def pool(ctx: NodeContext) -> Value:
    return pooled(ctx, ctx[0], "max" if ctx.op == "MaxPool" else "avg")


def pooled(ctx: NodeContext, data: Value, function: str) -> Value:
    """The pooling that the node's attributes describe."""
    spatial = data.type.shape[2:]
    at = window(ctx, data.type, ctx.integers("kernel_shape"))
    op = Pool(
        function=function,
        kernel=at.kernel,
        strides=at.strides,
        pads_begin=at.begin,
        pads_end=at.end,
        dilations=at.dilations,
        count_include_pad=bool(ctx.integer("count_include_pad", 0)),
        out_shape=at.outputs(spatial, bool(ctx.integer("ceil_mode", 0)) and not at.same),
    )
    return ctx.emit(op, data)


@handler("LpPool")
def lp_pool(ctx: NodeContext) -> Value:
    data, p = ctx[0], ctx.integer("p", 2)
    if p < 1:
        raise Unsupported(f"p={p} is unsupported; numbers of at least 1 are supported")
    spatial, channels = data.type.shape[2:], data.type.shape[1]
    at = window(ctx, data.type, ctx.integers("kernel_shape"))
    counts = at.outputs(spatial, bool(ctx.integer("ceil_mode", 0)) and not at.same)
    reach = [(count - 1) * stride + span for count, stride, span in zip(counts, at.strides, at.spans, strict=True)]
    end = tuple(max(0, far - size - begin) for far, size, begin in zip(reach, spatial, at.begin, strict=True))
    ones = ctx.filled((channels, 1, *at.kernel), 1, data.type.dtype)
    op = Conv(strides=at.strides, pads_begin=at.begin, pads_end=end, dilations=at.dilations, groups=channels)
    powers = ctx.binary("pow", ctx.unary("abs", data), p)
    return ctx.binary("pow", ctx.emit(op, powers, ones), 1 / p)


@handler("GlobalAveragePool", "GlobalMaxPool")
def global_pool(ctx: NodeContext) -> Value:
    axes = range(2, ctx[0].type.rank)
    return ctx.reduce("mean" if ctx.op == "GlobalAveragePool" else "max", ctx[0], tuple(axes))


@handler("GlobalLpPool")
def global_lp_pool(ctx: NodeContext) -> Value:
    p = ctx.integer("p", 2)
    powers = ctx.binary("pow", ctx.unary("abs", ctx[0]), p)
    return ctx.binary("pow", ctx.reduce("sum", powers, tuple(range(2, ctx[0].type.rank))), 1 / p)


@handler("LRN")
def local_response_normalisation(ctx: NodeContext) -> Value:
    """Each element over a power of the mean square of the channels around it."""
    data, size = ctx[0], ctx.integer("size")
    n, c, *space = data.type.shape
    if size < 1:
        raise Unsupported(f"size={size} must be at least 1")
    plane = ctx.reshape(ctx.binary("mul", data, data), (n, 1, c, prod(space)))
    op = Pool(
        function="avg",
        kernel=(size, 1),
        strides=(1, 1),
        pads_begin=((size - 1) // 2, 0),
        pads_end=(size // 2, 0),
        dilations=(1, 1),
        count_include_pad=True,
        out_shape=(c, prod(space)),
    )
    squares = ctx.reshape(ctx.emit(op, plane), data.type.shape)
    scaled = ctx.binary("mul", squares, ctx.number("alpha", 0.0001))
    base = ctx.binary("add", scaled, ctx.number("bias", 1.0))
    return ctx.binary("div", data, ctx.binary("pow", base, ctx.number("beta", 0.75)))
