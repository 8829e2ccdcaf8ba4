"""Products of matrices."""

from __future__ import annotations

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import MatMul

from .convolution import distance


@handler("MatMul")
def matmul(ctx: NodeContext) -> Value:
    return ctx.emit(MatMul(), ctx[0], ctx[1])


@handler("MatMulInteger")
def matmul_integer(ctx: NodeContext) -> Value:
    one, other = ctx[0], ctx[1]
    zero_point = ctx.optional(2)
    if zero_point is not None and zero_point.type.rank == 1 and zero_point.type.size > 1:
        zero_point = ctx.reshape(zero_point, (zero_point.type.size, 1))
    return ctx.emit(MatMul(), distance(ctx, one, zero_point), distance(ctx, other, ctx.optional(3)))


@handler("Gemm")
def gemm(ctx: NodeContext) -> Value:
    """``alpha * A @ B + beta * C``, with A and B transposed where attributes say so."""
    product = gemm_product(ctx, ctx[0], ctx[1])
    alpha, beta, added = ctx.number("alpha", 1.0), ctx.number("beta", 1.0), ctx.optional(2)
    if alpha != 1.0:
        product = ctx.binary("mul", product, alpha)
    if added is None or beta == 0.0:
        return product
    return ctx.binary("add", product, added if beta == 1.0 else ctx.binary("mul", added, beta))


def gemm_product(ctx: NodeContext, one: Value, other: Value) -> Value:
    """The product of two matrices that attributes may transpose."""
    if one.type.rank != 2 or other.type.rank != 2:
        raise Unsupported(f"{one.type} and {other.type} are not two matrices")
    left = ctx.transpose(one, (1, 0)) if ctx.integer("transA", 0) else one
    right = ctx.transpose(other, (1, 0)) if ctx.integer("transB", 0) else other
    return ctx.emit(MatMul(), left, right)
