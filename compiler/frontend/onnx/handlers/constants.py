"""Constants, what depends on shapes alone, and what does nothing when a model is only run."""

from __future__ import annotations

from math import ceil, isfinite

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported, check_shape
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.frontend.onnx.tensors import element_type
from dovetail.compiler.graph.graph import Value


@handler("Constant")
def constant(ctx: NodeContext) -> Value:
    if ctx.has("value"):
        return ctx.constant(ctx.tensor("value"))
    if ctx.has("value_float"):
        return ctx.constant(ctx.number("value_float"), "float32")
    if ctx.has("value_floats"):
        return ctx.constant(ctx.numbers("value_floats"), "float32")
    if ctx.has("value_int"):
        return ctx.constant(ctx.integer("value_int"), "int64")
    if ctx.has("value_ints"):
        return ctx.constant(ctx.integers("value_ints"), "int64")
    raise Unsupported("only value, value_float(s) and value_int(s) are supported")


@handler("ConstantOfShape")
def constant_of_shape(ctx: NodeContext) -> Value:
    value = ctx.tensor("value") if ctx.has("value") else np.zeros(1, np.float32)
    shape = ctx.known_ints(0, "the shape")
    check_shape(shape, value.itemsize, "the result")
    return ctx.expand(ctx.constant(value.reshape(())), shape)


@handler("Shape")
def shape(ctx: NodeContext) -> Value:
    sizes = ctx[0].type.shape
    end = ctx.integer("end") if ctx.has("end") else None
    return ctx.constant(sizes[ctx.integer("start", 0) : end], "int64")


@handler("Size")
def size(ctx: NodeContext) -> Value:
    return ctx.constant(ctx[0].type.size, "int64")


@handler("Range")
def span(ctx: NodeContext) -> Value:
    start, limit, delta = (
        ctx.known(number, what).reshape(()).item() for number, what in enumerate(("start", "limit", "delta"))
    )
    if not delta or not all(isfinite(number) for number in (start, limit, delta)):
        raise Unsupported(f"there is no range from {start} to {limit} in steps of {delta}")
    exact = all(isinstance(number, int) for number in (start, limit, delta))
    count = max(0, -((start - limit) // delta) if exact else ceil((limit - start) / delta))
    dtype = ctx[0].type.dtype
    check_shape((count,), ctx[0].type.numpy.itemsize, "the range")
    return ctx.constant(start + np.arange(count, dtype="int64" if exact else dtype) * delta, dtype)


@handler("Identity")
def identity(ctx: NodeContext) -> Value:
    return ctx[0]


@handler("Dropout")
def dropout(ctx: NodeContext) -> list[Value]:
    return _kept(ctx)


@handler("Dropout", since=12)
def dropout_by_operands(ctx: NodeContext) -> list[Value]:
    if ctx.optional(2) is not None and ctx.known(2, "training_mode").any():
        ratio = 0.5 if ctx.optional(1) is None else ctx.known(1, "ratio").reshape(()).item()
        if ratio:
            raise Unsupported("training_mode is unsupported but for ratio 0; inference is supported")
    return _kept(ctx)


def _kept(ctx: NodeContext) -> list[Value]:
    mask = [ctx.filled(ctx[0].type.shape, True, "bool")] if ctx.wanted(1) else []
    return [ctx[0], *mask]


@handler("EyeLike")
def eye_like(ctx: NodeContext) -> Value:
    kind = ctx[0].type
    if kind.rank != 2:
        raise Unsupported(f"{kind} is no matrix")
    dtype = element_type(ctx.integer("dtype"), "attribute dtype") if ctx.has("dtype") else kind.dtype
    rows = ctx.binary("add", ctx.counted(kind.shape[0], 0, 2), ctx.integer("k", 0))
    cols = ctx.counted(kind.shape[1], 1, 2)
    return ctx.cast(ctx.binary("equal", rows, cols), dtype)


@handler("BitCast")
def bit_cast(ctx: NodeContext) -> Value:
    dtype = element_type(ctx.integer("to"), "attribute to")
    if dtype == ctx[0].type.dtype:
        return ctx[0]
    known = ctx.contents(ctx[0])
    if known is None or np.dtype(dtype).itemsize != known.itemsize:
        raise Unsupported("only bits of constants can be seen as another type of their size")
    return ctx.constant(known.view(dtype))
