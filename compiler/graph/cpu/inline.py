"""Expressions put into those that read them, where values need not be kept."""

from __future__ import annotations

from dovetail.compiler.te import Tensor
from dovetail.compiler.te.tensor import ComputeOp, TensorRead
from dovetail.compiler.te.walk import rewrite, subexpressions, substitute_vars
from dovetail.compiler.tir.expr import Expr

from .expressions import elements, is_cheap, is_reduction, iterations, stages_of, times_read

LARGEST = 400
"""Parts of an expression that others may still be put into."""


def inlined(output: Tensor) -> Tensor:
    """`output` with as few tensors behind it as pays.

    What is no reduction is put into its readers if it is cheap, or if there is one reader and it reads each element
    about once.
    """
    stages = stages_of(output)
    now: dict[Tensor, Tensor] = {}
    bodies: dict[Tensor, ComputeOp] = {}
    readers = {tensor: [one for one in stages if times_read(_op(one).body)[tensor]] for tensor in stages}
    for tensor in stages:
        op = _op(tensor)
        body = _put_in(op.body, bodies, now)
        op = ComputeOp(op.name, op.axis, body, op.where) if body is not op.body else op
        if tensor != output and _is_put_in(op, tensor, readers[tensor]):
            bodies[tensor] = op
        else:
            now[tensor] = Tensor(op)
    return now[output]


def _op(tensor: Tensor) -> ComputeOp:
    assert isinstance(tensor.op, ComputeOp)
    return tensor.op


def _is_put_in(op: ComputeOp, tensor: Tensor, readers: list[Tensor]) -> bool:
    if is_reduction(op):
        return False
    if is_cheap(op.body):
        return True
    if len(readers) > 1 or len(list(subexpressions(op.body))) > LARGEST:
        return False
    reader = _op(readers[0])
    return times_read(reader.body)[tensor] == 1 and iterations(reader) <= elements(op)


def _put_in(body: Expr, bodies: dict[Tensor, ComputeOp], now: dict[Tensor, Tensor]) -> Expr:
    def change(part: Expr) -> Expr:
        if not isinstance(part, TensorRead):
            return part
        if part.tensor in bodies:
            op = bodies[part.tensor]
            return substitute_vars(op.body, {axis.var: at for axis, at in zip(op.axis, part.indices, strict=True)})
        return TensorRead(now[part.tensor], part.indices) if part.tensor in now else part

    return rewrite(body, change)
