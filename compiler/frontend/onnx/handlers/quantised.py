"""Quantised operators, all as Dequantize, the operator on floats, and Quantize: one form for passes to recognise."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import MICROSOFT, handler
from dovetail.compiler.frontend.onnx.tensors import element_type
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import MatMul
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize

from .convolution import convolved

FLOATS = ("float32",)
"""Types of scales."""


@handler("QuantizeLinear")
@handler("QuantizeLinear", domain=MICROSOFT)
def quantize_linear(ctx: NodeContext) -> Value:
    _check(ctx)
    dtype = "uint8"
    if ctx.integer("output_dtype", 0):
        dtype = element_type(ctx.integer("output_dtype"), "attribute output_dtype")
    axis = ctx.integer("axis", 1)
    return quantize(ctx, ctx[0], ctx[1], ctx.optional(2), dtype, axis)


@handler("DequantizeLinear")
@handler("DequantizeLinear", domain=MICROSOFT)
def dequantize_linear(ctx: NodeContext) -> Value:
    _check(ctx)
    if ctx.integer("output_dtype", 0):
        element_type(ctx.integer("output_dtype"), "attribute output_dtype")
    return dequantize(ctx, ctx[0], ctx[1], ctx.optional(2), ctx.integer("axis", 1))


def _check(ctx: NodeContext) -> None:
    if ctx.integer("block_size", 0):
        raise Unsupported("block_size is unsupported; scales for a tensor or for an axis are supported")


def quantize(
    ctx: NodeContext, data: Value, scale: Value, zero_point: Value | None, dtype: str = "uint8", axis: int = 1
) -> Value:
    """`data` in steps of `scale`; without a zero point it is 0 of `dtype`."""
    place, scale, zero_point = _scales(ctx, data, scale, zero_point, dtype, axis)
    return ctx.emit(Quantize(axis=place), ctx.cast(data, "float32"), scale, zero_point)


def dequantize(ctx: NodeContext, data: Value, scale: Value, zero_point: Value | None, axis: int = 1) -> Value:
    """The numbers that `data` stands for."""
    place, scale, zero_point = _scales(ctx, data, scale, zero_point, data.type.dtype, axis)
    return ctx.emit(Dequantize(axis=place), data, scale, zero_point)


def _scales(
    ctx: NodeContext, data: Value, scale: Value, zero_point: Value | None, dtype: str, axis: int
) -> tuple[int | None, Value, Value]:
    """The axis, None for the whole tensor; scale and zero point in their shapes."""
    if scale.type.dtype not in FLOATS:
        raise Unsupported(f"a scale of {scale.type.dtype} is unsupported; {' and '.join(FLOATS)} are supported")
    if scale.type.rank > 1:
        raise Unsupported(f"a scale of {scale.type} is unsupported; one, or one for each place of an axis, are")
    place, shape = (None, ()) if scale.type.size == 1 else (axis_of(axis, data.type.rank), scale.type.shape)
    if zero_point is None:
        return place, ctx.reshape(scale, shape), ctx.constant(np.zeros(shape), dtype)
    if zero_point.type.size == 1 and shape:
        zero_point = ctx.expand(ctx.reshape(zero_point, ()), shape)
    return place, ctx.reshape(scale, shape), ctx.reshape(zero_point, shape)


@handler("QLinearConv")
def qlinear_conv(ctx: NodeContext) -> Value:
    x, w, bias = ctx[0], ctx[3], ctx.optional(8)
    data = dequantize(ctx, x, ctx[1], ctx[2])
    weight = dequantize(ctx, w, ctx[4], ctx[5], 0)
    added = [] if bias is None else [dequantize(ctx, bias, product_scale(ctx, ctx[1], ctx[4]), None, 0)]
    return quantize(ctx, convolved(ctx, data, weight, *added), ctx[6], ctx[7])


def product_scale(ctx: NodeContext, one: Value, other: Value) -> Value:
    """The scale of the sums of products."""
    return ctx.binary("mul", ctx.reshape(one, ()), other)


@handler("QLinearMatMul")
def qlinear_matmul(ctx: NodeContext) -> Value:
    one = dequantize(ctx, ctx[0], ctx[1], ctx[2], -2)
    other = dequantize(ctx, ctx[3], ctx[4], ctx[5], -1)
    return quantize(ctx, ctx.emit(MatMul(), one, other), ctx[6], ctx[7])
