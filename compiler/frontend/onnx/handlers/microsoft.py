"""Quantised operators of ONNX Runtime's own domain."""

from __future__ import annotations

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import MICROSOFT, handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.movement import Concat

from .activations import leaky
from .linear import gemm_product
from .pooling import pooled
from .quantised import dequantize, product_scale, quantize
from .softmax import softmax


@handler("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def binary(ctx: NodeContext) -> Value:
    one = dequantize(ctx, ctx[0], ctx[1], ctx.optional(2))
    other = dequantize(ctx, ctx[3], ctx[4], ctx.optional(5))
    result = ctx.binary("add" if ctx.op == "QLinearAdd" else "mul", one, other)
    return quantize(ctx, result, ctx[6], ctx.optional(7), ctx[0].type.dtype)


def _result(ctx: NodeContext, result: Value) -> Value:
    """Quantised as operands 3 and 4 say."""
    return quantize(ctx, result, ctx[3], ctx.optional(4), ctx[0].type.dtype)


def _data(ctx: NodeContext) -> Value:
    return dequantize(ctx, ctx[0], ctx[1], ctx.optional(2))


@handler("QLinearSigmoid", domain=MICROSOFT)
def sigmoid(ctx: NodeContext) -> Value:
    return _result(ctx, ctx.unary("sigmoid", _data(ctx)))


@handler("QLinearLeakyRelu", domain=MICROSOFT)
def leaky_relu(ctx: NodeContext) -> Value:
    return _result(ctx, leaky(ctx, _data(ctx), ctx.number("alpha", 0.01)))


@handler("QLinearSoftmax", domain=MICROSOFT)
def quantised_softmax(ctx: NodeContext) -> Value:
    if ctx.integer("opset", 13) < 13:
        raise Unsupported("softmax over several axes at once, as before opset 13, is unsupported")
    return _result(ctx, softmax(ctx, _data(ctx), axis_of(ctx.integer("axis", -1), ctx[0].type.rank)))


@handler("QLinearGlobalAveragePool", domain=MICROSOFT)
def global_average_pool(ctx: NodeContext) -> Value:
    ctx.reject("channels_last", 0)
    return _result(ctx, ctx.reduce("mean", _data(ctx), tuple(range(2, ctx[0].type.rank))))


@handler("QLinearAveragePool", domain=MICROSOFT)
def average_pool(ctx: NodeContext) -> Value:
    ctx.reject("channels_last", 0)
    return _result(ctx, pooled(ctx, _data(ctx), "avg"))


@handler("QLinearConcat", domain=MICROSOFT)
def concat(ctx: NodeContext) -> Value:
    parts = [dequantize(ctx, ctx[at], ctx[at + 1], ctx.optional(at + 2)) for at in range(2, len(ctx.inputs), 3)]
    axis = axis_of(ctx.integer("axis"), parts[0].type.rank)
    return quantize(ctx, ctx.emit(Concat(axis=axis), *parts), ctx[0], ctx.optional(1), ctx[2].type.dtype)


@handler("QLinearWhere", domain=MICROSOFT)
def where(ctx: NodeContext) -> Value:
    one = dequantize(ctx, ctx[1], ctx[2], ctx.optional(3))
    other = dequantize(ctx, ctx[4], ctx[5], ctx.optional(6))
    return quantize(ctx, ctx.where(ctx[0], one, other), ctx[7], ctx.optional(8), ctx[1].type.dtype)


@handler("QGemm", domain=MICROSOFT)
def gemm(ctx: NodeContext) -> Value:
    """``alpha * A @ B + C``, C being int32 in the scale of the sums."""
    alpha, bias = ctx.number("alpha", 1.0), ctx.optional(6)
    columns = 0 if ctx.integer("transB", 0) else 1
    one = dequantize(ctx, ctx[0], ctx[1], ctx.optional(2))
    other = dequantize(ctx, ctx[3], ctx[4], ctx.optional(5), columns)
    result = gemm_product(ctx, one, other)
    if alpha != 1.0:
        result = ctx.binary("mul", result, alpha)
    if bias is not None:
        scale = product_scale(ctx, ctx[1], ctx[4])
        scale = scale if alpha == 1.0 else ctx.binary("mul", scale, alpha)
        result = ctx.binary("add", result, dequantize(ctx, bias, scale, None, bias.type.rank - 1))
    scale_of_result = ctx.optional(7)
    if scale_of_result is None:
        return result
    return quantize(ctx, result, scale_of_result, ctx.optional(8), ctx[0].type.dtype)
