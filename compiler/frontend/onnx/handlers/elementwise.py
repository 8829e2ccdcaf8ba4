"""Arithmetic, comparisons and logic on single elements."""

from __future__ import annotations

from functools import reduce

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.frontend.onnx.tensors import element_type
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.elementwise import Clip

UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "bitwise_not",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "isnan",
    "Log": "log",
    "Neg": "neg",
    "Not": "not",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}
BINARY = {
    "Add": "add",
    "And": "and",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Div": "div",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Mul": "mul",
    "Or": "or",
    "Pow": "pow",
    "Sub": "sub",
    "Xor": "xor",
}
VARIADIC = {"Max": "maximum", "Min": "minimum", "Sum": "add", "Mean": "add"}


@handler(*UNARY)
def unary(ctx: NodeContext) -> Value:
    return ctx.unary(UNARY[ctx.op], ctx[0])


@handler(*BINARY)
def binary_with_axis(ctx: NodeContext) -> Value:
    """Before opset 7 the axes of the second operand begin at `axis` of the first."""
    other = ctx[1]
    rank = ctx[0].type.rank
    if ctx.integer("broadcast", 0) and ctx.has("axis"):
        behind = rank - axis_of(ctx.integer("axis"), rank) - other.type.rank
        if behind < 0:
            raise Unsupported(f"{other.type} does not fit {ctx[0].type} from axis {ctx.integer('axis')} on")
        other = ctx.reshape(other, (*other.type.shape, *[1] * behind))
    return ctx.binary(BINARY[ctx.op], ctx[0], other)


@handler(*BINARY, since=7)
def binary(ctx: NodeContext) -> Value:
    return ctx.binary(BINARY[ctx.op], ctx[0], ctx[1])


@handler(*VARIADIC)
def variadic(ctx: NodeContext) -> Value:
    first, *others = ctx.operands
    total = reduce(lambda one, other: ctx.binary(VARIADIC[ctx.op], one, other), others, first)
    return ctx.binary("div", total, len(ctx.operands)) if ctx.op == "Mean" else total


@handler("Mod")
def mod(ctx: NodeContext) -> Value:
    return ctx.binary("fmod" if ctx.integer("fmod", 0) else "mod", ctx[0], ctx[1])


@handler("BitShift")
def bit_shift(ctx: NodeContext) -> Value:
    ctx.reject("direction", "LEFT", "RIGHT")
    return ctx.binary("shift_left" if ctx.text("direction") == "LEFT" else "shift_right", ctx[0], ctx[1])


@handler("IsInf")
def isinf(ctx: NodeContext) -> Value:
    negative, positive = ctx.integer("detect_negative", 1), ctx.integer("detect_positive", 1)
    if negative and positive:
        return ctx.unary("isinf", ctx[0])
    if not negative and not positive:
        return ctx.filled(ctx[0].type.shape, False, "bool")
    return ctx.binary("equal", ctx[0], -np.inf if negative else np.inf)


@handler("Where")
def where(ctx: NodeContext) -> Value:
    return ctx.where(ctx[0], ctx[1], ctx[2])


@handler("Cast")
def cast(ctx: NodeContext) -> Value:
    return ctx.cast(ctx[0], element_type(ctx.integer("to"), "attribute to"))


@handler("CastLike")
def cast_like(ctx: NodeContext) -> Value:
    return ctx.cast(ctx[0], ctx[1].type.dtype)


@handler("Clip", since=6)
def clip_by_attributes(ctx: NodeContext) -> Value:
    bounds = [ctx.number(name) if ctx.has(name) else None for name in ("min", "max")]
    return ctx.emit(Clip(minimum=bounds[0], maximum=bounds[1]), ctx[0])


@handler("Clip", since=11)
def clip(ctx: NodeContext) -> Value:
    low, high = ctx.optional(1), ctx.optional(2)
    known = [None if bound is None else ctx.contents(bound) for bound in (low, high)]
    if all(array is not None or bound is None for array, bound in zip(known, (low, high), strict=True)):
        bounds = [None if array is None else array.reshape(()).item() for array in known]
        return ctx.emit(Clip(minimum=bounds[0], maximum=bounds[1]), ctx[0])
    result = ctx[0] if low is None else ctx.binary("maximum", ctx[0], low)
    return result if high is None else ctx.binary("minimum", result, high)
