"""Soft and hard maxima along an axis."""

from __future__ import annotations

from math import prod

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.reduction import ArgReduce

NAMES = ("Softmax", "LogSoftmax", "Hardmax")


@handler(*NAMES)
def flattened(ctx: NodeContext) -> Value:
    """Before opset 13 all axes from `axis` on are one."""
    data = ctx[0]
    axis = ctx.integer("axis", 1)
    if axis != data.type.rank:
        axis = axis_of(axis, data.type.rank)
    shape = data.type.shape
    plane = ctx.reshape(data, (prod(shape[:axis]), prod(shape[axis:])))
    return ctx.reshape(maximum(ctx, plane, 1), shape)


@handler(*NAMES, since=13)
def along_axis(ctx: NodeContext) -> Value:
    return maximum(ctx, ctx[0], axis_of(ctx.integer("axis", -1), ctx[0].type.rank))


def maximum(ctx: NodeContext, data: Value, axis: int) -> Value:
    """The node's function along one axis."""
    if ctx.op == "Hardmax":
        best = ctx.emit(ArgReduce(function="max", axis=axis, keepdims=True, last=False), data)
        counted = ctx.counted(data.type.shape[axis], axis, data.type.rank)
        return ctx.cast(ctx.binary("equal", counted, best), data.type.dtype)
    if ctx.op == "Softmax":
        return softmax(ctx, data, axis)
    moved = ctx.binary("sub", data, ctx.reduce("max", data, [axis]))
    return ctx.binary("sub", moved, ctx.unary("log", ctx.reduce("sum", ctx.unary("exp", moved), [axis])))


def softmax(ctx: NodeContext, data: Value, axis: int) -> Value:
    """``exp(x) / sum(exp(x))`` along an axis."""
    powers = ctx.unary("exp", ctx.binary("sub", data, ctx.reduce("max", data, [axis])))
    return ctx.binary("div", powers, ctx.reduce("sum", powers, [axis]))
