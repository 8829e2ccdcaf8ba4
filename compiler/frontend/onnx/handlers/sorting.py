"""The greatest elements in order."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.movement import GatherElements

MAX_SORTED = 2048
"""Elements that are compared each with each."""


@handler("TopK")
def top_k(ctx: NodeContext) -> list[Value]:
    """Each element's rank is how many go before it; the k-th result is the one of rank k."""
    data, shape = ctx[0], ctx[0].type.shape
    axis = axis_of(ctx.integer("axis", -1), len(shape))
    sizes = (ctx.integer("k"),) if ctx.has("k") else ctx.known_ints(1, "k")
    length = shape[axis]
    if len(sizes) != 1 or not 0 <= sizes[0] <= length:
        raise Unsupported(f"k must be one number up to {length}, not {list(sizes)}")
    if length > MAX_SORTED:
        raise Unsupported(f"the axis has {length} elements; at most {MAX_SORTED} are supported")
    lead, rest = shape[:axis], shape[axis + 1 :]
    one = ctx.reshape(data, (*lead, length, 1, *rest))
    other = ctx.reshape(data, (*lead, 1, length, *rest))
    order = "greater" if ctx.integer("largest", 1) else "less"
    earlier = np.tril(np.ones((length, length), bool), -1).reshape(length, length, *[1] * len(rest))
    equal = ctx.binary("and", ctx.binary("equal", other, one), ctx.constant(earlier))
    before = ctx.binary("or", ctx.binary(order, other, one), equal)
    rank = ctx.reduce("sum", ctx.cast(before, "int64"), [axis + 1])
    wanted = np.arange(sizes[0], dtype=np.int64).reshape(sizes[0], *[1] * len(rest))
    hit = ctx.binary("equal", rank, ctx.constant(wanted))
    places = np.arange(length, dtype=np.int64).reshape(length, 1, *[1] * len(rest))
    chosen = ctx.binary("mul", ctx.cast(hit, "int64"), ctx.constant(places))
    indices = ctx.reduce("sum", chosen, [axis], keepdims=False)
    return [ctx.emit(GatherElements(axis=axis), data, indices), indices]
