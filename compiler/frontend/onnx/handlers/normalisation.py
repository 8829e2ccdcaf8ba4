"""Normalisation: by statistics that are known, or of the data themselves."""

from __future__ import annotations

from math import prod

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value

EPSILON = 1e-5


@handler("BatchNormalization")
def batch_normalization(ctx: NodeContext) -> list[Value]:
    data, scale, bias, mean, variance = (ctx[number] for number in range(5))
    rank = data.type.rank
    if not ctx.integer("spatial", 1):
        raise Unsupported("spatial=0 is unsupported; statistics a channel are supported")
    extra = []
    if ctx.integer("training_mode", 0):
        momentum = ctx.number("momentum", 0.9)
        axes = [axis for axis in range(rank) if axis != 1]
        old = (mean, variance)
        mean = ctx.reduce("mean", data, axes, keepdims=False)
        distance = ctx.binary("sub", data, ctx.channels(mean, rank))
        variance = ctx.reduce("mean", ctx.binary("mul", distance, distance), axes, keepdims=False)
        for before, now in zip(old, (mean, variance), strict=True):
            kept = ctx.binary("mul", before, momentum)
            extra.append(ctx.binary("add", kept, ctx.binary("mul", now, 1 - momentum)))
    deviation = ctx.unary("sqrt", ctx.binary("add", variance, ctx.number("epsilon", EPSILON)))
    factor = ctx.binary("div", scale, deviation)
    offset = ctx.binary("sub", bias, ctx.binary("mul", mean, factor))
    scaled = ctx.binary("mul", data, ctx.channels(factor, rank))
    return [ctx.binary("add", scaled, ctx.channels(offset, rank)), *extra]


def standardised(ctx: NodeContext, data: Value, axes: list[int]) -> tuple[Value, Value, Value]:
    """Data with mean 0 and variance 1 along axes; their mean, and the reciprocal of the deviation."""
    mean = ctx.reduce("mean", data, axes)
    distance = ctx.binary("sub", data, mean)
    variance = ctx.reduce("mean", ctx.binary("mul", distance, distance), axes)
    deviation = ctx.unary("sqrt", ctx.binary("add", variance, ctx.number("epsilon", EPSILON)))
    inverse = ctx.unary("reciprocal", deviation)
    return ctx.binary("mul", distance, inverse), mean, inverse


@handler("InstanceNormalization")
def instance_normalization(ctx: NodeContext) -> Value:
    rank = ctx[0].type.rank
    result, _, _ = standardised(ctx, ctx[0], list(range(2, rank)))
    scaled = ctx.binary("mul", result, ctx.channels(ctx[1], rank))
    return ctx.binary("add", scaled, ctx.channels(ctx[2], rank))


@handler("LayerNormalization", since=17)
def layer_normalization(ctx: NodeContext) -> list[Value]:
    data, bias = ctx[0], ctx.optional(2)
    axis = axis_of(ctx.integer("axis", -1), data.type.rank)
    result, mean, inverse = standardised(ctx, data, list(range(axis, data.type.rank)))
    scaled = ctx.binary("mul", result, ctx[1])
    return [scaled if bias is None else ctx.binary("add", scaled, bias), mean, inverse]


@handler("RMSNormalization", since=23)
def rms_normalization(ctx: NodeContext) -> Value:
    data = ctx[0]
    axes = list(range(axis_of(ctx.integer("axis", -1), data.type.rank), data.type.rank))
    squares = ctx.reduce("mean", ctx.binary("mul", data, data), axes)
    root = ctx.unary("sqrt", ctx.binary("add", squares, ctx.number("epsilon", EPSILON)))
    return ctx.binary("mul", ctx.binary("div", data, root), ctx[1])


@handler("GroupNormalization", since=18)
def group_normalization_by_groups(ctx: NodeContext) -> Value:
    """Scale and bias are of groups."""
    grouped, groups = _groups(ctx)
    scaled = ctx.binary("mul", grouped, ctx.reshape(ctx[1], (1, groups, 1)))
    return ctx.reshape(ctx.binary("add", scaled, ctx.reshape(ctx[2], (1, groups, 1))), ctx[0].type.shape)


@handler("GroupNormalization", since=21)
def group_normalization(ctx: NodeContext) -> Value:
    """Scale and bias are of channels."""
    grouped, _ = _groups(ctx)
    rank = ctx[0].type.rank
    scaled = ctx.binary("mul", ctx.reshape(grouped, ctx[0].type.shape), ctx.channels(ctx[1], rank))
    return ctx.binary("add", scaled, ctx.channels(ctx[2], rank))


def _groups(ctx: NodeContext) -> tuple[Value, int]:
    """The data, standardised, as [n, groups, rest]."""
    n, c, *space = ctx[0].type.shape
    groups = ctx.integer("num_groups")
    if groups < 1 or c % groups:
        raise Unsupported(f"{c} channels do not fit into num_groups={groups}")
    grouped = ctx.reshape(ctx[0], (n, groups, c // groups * prod(space)))
    return standardised(ctx, grouped, [2])[0], groups


@handler("LpNormalization")
def lp_normalization(ctx: NodeContext) -> Value:
    ctx.reject("p", 1, 2)
    data = ctx[0]
    axis = axis_of(ctx.integer("axis", -1), data.type.rank)
    if ctx.integer("p", 2) == 1:
        norm = ctx.reduce("sum", ctx.unary("abs", data), [axis])
    else:
        norm = ctx.unary("sqrt", ctx.reduce("sum", ctx.binary("mul", data, data), [axis]))
    return ctx.where(ctx.binary("equal", norm, 0), 0, ctx.binary("div", data, norm))
