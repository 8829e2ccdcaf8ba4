"""Elements combined along axes."""

from __future__ import annotations

from dovetail.compiler.frontend.onnx.context import NodeContext, axes_of, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.elementwise import Unary
from dovetail.compiler.graph.ops.reduction import ArgReduce, Cumulative

PLAIN = {"ReduceMax": "max", "ReduceMean": "mean", "ReduceMin": "min", "ReduceProd": "prod", "ReduceSum": "sum"}
COMPOSED = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


@handler(*PLAIN, *COMPOSED)
def reduction(ctx: NodeContext) -> Value:
    data, rank = ctx[0], ctx[0].type.rank
    axes = ctx.ints_of("axes", 1)
    if not axes:
        axes = () if ctx.integer("noop_with_empty_axes", 0) else tuple(range(rank))
    axes, keep = axes_of(axes, rank), bool(ctx.integer("keepdims", 1))
    if ctx.op in PLAIN:
        return ctx.reduce(PLAIN[ctx.op], data, axes, keep)
    if ctx.op == "ReduceL1":
        return ctx.reduce("sum", ctx.unary("abs", data), axes, keep)
    if ctx.op == "ReduceLogSum":
        return ctx.unary("log", ctx.reduce("sum", data, axes, keep))
    if ctx.op == "ReduceLogSumExp":
        return _log_sum_exp(ctx, data, axes, keep)
    squares = ctx.reduce("sum", ctx.binary("mul", data, data), axes, keep)
    return ctx.unary("sqrt", squares) if ctx.op == "ReduceL2" else squares


def _log_sum_exp(ctx: NodeContext, data: Value, axes: tuple[int, ...], keep: bool) -> Value:
    highest = ctx.reduce("max", data, axes)
    # An infinite maximum has no distances from it.
    base = ctx.where(ctx.emit(Unary(function="isinf"), highest), 0, highest)
    total = ctx.reduce("sum", ctx.unary("exp", ctx.binary("sub", data, base)), axes)
    result = ctx.binary("add", ctx.unary("log", total), base)
    shape = [size for axis, size in enumerate(data.type.shape) if axis not in axes]
    return result if keep or not axes else ctx.reshape(result, shape)


@handler("ArgMax", "ArgMin")
def arg_reduce(ctx: NodeContext) -> Value:
    axis = axis_of(ctx.integer("axis", 0), ctx[0].type.rank)
    keep, last = bool(ctx.integer("keepdims", 1)), bool(ctx.integer("select_last_index", 0))
    function = "max" if ctx.op == "ArgMax" else "min"
    return ctx.emit(ArgReduce(function=function, axis=axis, keepdims=keep, last=last), ctx[0])


@handler("CumSum", "CumProd")
def cumulative(ctx: NodeContext) -> Value:
    axes = ctx.known_ints(1, "axis")
    if len(axes) != 1:
        raise Unsupported(f"axis must be one number, not {list(axes)}")
    op = Cumulative(
        function="sum" if ctx.op == "CumSum" else "prod",
        axis=axis_of(axes[0], ctx[0].type.rank),
        exclusive=bool(ctx.integer("exclusive", 0)),
        reverse=bool(ctx.integer("reverse", 0)),
    )
    return ctx.emit(op, ctx[0])
