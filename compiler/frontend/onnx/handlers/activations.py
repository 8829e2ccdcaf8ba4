"""Activation functions, put together from arithmetic."""

from __future__ import annotations

from math import pi, sqrt

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.registry import MICROSOFT, handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.elementwise import Clip


@handler("LeakyRelu")
def leaky_relu(ctx: NodeContext) -> Value:
    return leaky(ctx, ctx[0], ctx.number("alpha", 0.01))


def leaky(ctx: NodeContext, x: Value, alpha: float) -> Value:
    """``x``, and below 0 ``alpha * x``."""
    return ctx.where(ctx.binary("less", x, 0), ctx.binary("mul", x, alpha), x)


@handler("PRelu")
def prelu_by_channels(ctx: NodeContext) -> Value:
    """Before opset 7 there is a slope for each channel."""
    return _prelu(ctx, ctx[0], ctx.channels(ctx[1], ctx[0].type.rank))


@handler("PRelu", since=7)
def prelu(ctx: NodeContext) -> Value:
    return _prelu(ctx, ctx[0], ctx[1])


def _prelu(ctx: NodeContext, x: Value, slope: Value) -> Value:
    return ctx.where(ctx.binary("less", x, 0), ctx.binary("mul", slope, x), x)


@handler("ThresholdedRelu")
def thresholded_relu(ctx: NodeContext) -> Value:
    return ctx.where(ctx.binary("greater", ctx[0], ctx.number("alpha", 1.0)), ctx[0], 0)


@handler("Elu")
def elu(ctx: NodeContext) -> Value:
    return exponential(ctx, ctx[0], ctx.number("alpha", 1.0))


@handler("Selu")
def selu(ctx: NodeContext) -> Value:
    alpha = ctx.number("alpha", 1.67326319217681884765625)
    gamma = ctx.number("gamma", 1.05070102214813232421875)
    return ctx.binary("mul", exponential(ctx, ctx[0], alpha), gamma)


@handler("Celu")
def celu(ctx: NodeContext) -> Value:
    alpha = ctx.number("alpha", 1.0)
    return exponential(ctx, ctx[0], alpha, alpha)


def exponential(ctx: NodeContext, x: Value, alpha: float, width: float = 1.0) -> Value:
    """``x``, and below 0 ``alpha * (exp(x / width) - 1)``."""
    # The exponential is taken of what is below 0 alone: of large x it would be infinite.
    below = ctx.emit(Clip(maximum=0), x)
    if width != 1.0:
        below = ctx.binary("div", below, width)
    curve = ctx.binary("mul", ctx.binary("sub", ctx.unary("exp", below), 1), alpha)
    return ctx.where(ctx.binary("less", x, 0), curve, x)


@handler("HardSigmoid")
def hard_sigmoid(ctx: NodeContext) -> Value:
    return hard(ctx, ctx[0], ctx.number("alpha", 0.2), ctx.number("beta", 0.5))


@handler("HardSwish")
def hard_swish(ctx: NodeContext) -> Value:
    return ctx.binary("mul", ctx[0], hard(ctx, ctx[0], 1 / 6, 0.5))


def hard(ctx: NodeContext, x: Value, alpha: float, beta: float) -> Value:
    """``alpha * x + beta`` from 0 to 1."""
    line = ctx.binary("add", ctx.binary("mul", x, alpha), beta)
    return ctx.emit(Clip(minimum=0.0, maximum=1.0), line)


@handler("Softsign")
def softsign(ctx: NodeContext) -> Value:
    return ctx.binary("div", ctx[0], ctx.binary("add", ctx.unary("abs", ctx[0]), 1))


@handler("Shrink")
def shrink(ctx: NodeContext) -> Value:
    x, bias, border = ctx[0], ctx.number("bias", 0.0), ctx.number("lambd", 0.5)
    above = ctx.where(ctx.binary("greater", x, border), ctx.binary("sub", x, bias), 0)
    return ctx.where(ctx.binary("less", x, -border), ctx.binary("add", x, bias), above)


@handler("Swish")
def swish(ctx: NodeContext) -> Value:
    alpha = ctx.number("alpha", 1.0)
    inner = ctx[0] if alpha == 1.0 else ctx.binary("mul", ctx[0], alpha)
    return ctx.binary("mul", ctx[0], ctx.unary("sigmoid", inner))


@handler("Mish")
def mish(ctx: NodeContext) -> Value:
    return ctx.binary("mul", ctx[0], ctx.unary("tanh", ctx.unary("softplus", ctx[0])))


@handler("Gelu", since=20)
@handler("Gelu", domain=MICROSOFT)
def gelu(ctx: NodeContext) -> Value:
    ctx.reject("approximate", "none", "tanh")
    if ctx.text("approximate", "none") == "tanh":
        return gelu_by_tanh(ctx, ctx[0])
    factor = ctx.binary("add", ctx.unary("erf", ctx.binary("div", ctx[0], sqrt(2))), 1)
    return ctx.binary("mul", ctx.binary("mul", ctx[0], factor), 0.5)


@handler("FastGelu", domain=MICROSOFT)
def fast_gelu(ctx: NodeContext) -> Value:
    bias = ctx.optional(1)
    return gelu_by_tanh(ctx, ctx[0] if bias is None else ctx.binary("add", ctx[0], bias))


@handler("BiasGelu", domain=MICROSOFT)
def bias_gelu(ctx: NodeContext) -> Value:
    x = ctx.binary("add", ctx[0], ctx[1])
    factor = ctx.binary("add", ctx.unary("erf", ctx.binary("div", x, sqrt(2))), 1)
    return ctx.binary("mul", ctx.binary("mul", x, factor), 0.5)


def gelu_by_tanh(ctx: NodeContext, x: Value) -> Value:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``."""
    cube = ctx.binary("mul", ctx.binary("mul", x, x), x)
    inner = ctx.binary("mul", ctx.binary("add", x, ctx.binary("mul", cube, 0.044715)), sqrt(2 / pi))
    factor = ctx.binary("add", ctx.unary("tanh", inner), 1)
    return ctx.binary("mul", ctx.binary("mul", x, factor), 0.5)
