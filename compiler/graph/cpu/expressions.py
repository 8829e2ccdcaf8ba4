"""What schedules need to know of tensor expressions."""

from __future__ import annotations

from collections import Counter
from math import prod

from dovetail.compiler.te import Tensor
from dovetail.compiler.te.tensor import Axis, ComputeOp, PlaceholderOp, Reduce, TensorRead
from dovetail.compiler.te.walk import subexpressions, tensors_of
from dovetail.compiler.tir.expr import Binary, Const, Expr, Math, Op, Select, Var

CHEAP = 12
"""Parts of an expression that may rather be computed again than kept."""


def stages_of(output: Tensor) -> list[Tensor]:
    """The computed tensors behind `output`, itself among them, each after what it reads."""
    done: dict[Tensor, None] = {}
    waiting = [(output, False)]
    while waiting:
        tensor, ready = waiting.pop()
        if tensor in done or not isinstance(tensor.op, ComputeOp):
            continue
        if ready:
            done[tensor] = None
            continue
        waiting.append((tensor, True))
        waiting += [(read, False) for read in tensors_of(tensor.op.body)]
    return list(done)


def inputs_of(output: Tensor) -> set[Tensor]:
    """The placeholders that `output` depends on."""
    return {
        read
        for tensor in stages_of(output)
        if isinstance(tensor.op, ComputeOp)
        for read in tensors_of(tensor.op.body)
        if isinstance(read.op, PlaceholderOp)
    }


def extent(axis: Axis) -> int:
    """The extent of an axis of an expression without symbolic sizes."""
    assert isinstance(axis.extent, Const)
    return int(axis.extent.value)


def iterations(op: ComputeOp) -> int:
    """How often the body is evaluated."""
    return prod(extent(axis) for axis in (*op.axis, *op.reduce_axis))


def elements(op: ComputeOp) -> int:
    """How many elements the tensor has."""
    return prod(extent(axis) for axis in op.axis)


def is_reduction(op: ComputeOp) -> bool:
    return isinstance(op.body, Reduce)


def reads(body: Expr) -> list[TensorRead]:
    """Each read in `body` as often as it is written there."""
    return [part for part in subexpressions(body) if isinstance(part, TensorRead)]


def times_read(body: Expr) -> Counter[Tensor]:
    """How often each tensor is read for one value of `body`."""
    return Counter(read.tensor for read in reads(body))


def uses(expr: Expr, var: Var) -> int:
    """How often `expr` has the variable."""
    return sum(part == var for part in subexpressions(expr))


def is_cheap(body: Expr) -> bool:
    """Whether the body may be computed anew for each read, inside of other loops."""
    parts = list(subexpressions(body))
    costly = any(
        isinstance(part, Math)
        or (isinstance(part, Select) and part.guard)
        or (isinstance(part, Binary) and part.op in (Op.DIV, Op.FLOORDIV, Op.MOD))
        for part in parts
    )
    return not costly and len(parts) <= CHEAP
