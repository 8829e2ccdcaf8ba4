"""Matching a stage's expression with that of an intrinsic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from dovetail.compiler.te.tensor import Tensor, TensorRead
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Math, Op, Var

Pairs = Mapping[TensorRead, TensorRead]
"""For each read of an intrinsic's operand, what the stage reads in its place."""

_COMMUTATIVE = frozenset({Op.ADD, Op.MUL, Op.MIN, Op.MAX, Op.AND, Op.OR, Op.XOR, Op.EQ, Op.NE})


def pairings(pattern: Expr, expr: Expr, pairs: Pairs | None = None) -> Iterator[Pairs]:
    """The ways in which `expr` is `pattern` but for the tensors that are read, the written order first."""
    pairs = pairs or {}
    if isinstance(pattern, TensorRead):
        if isinstance(expr, TensorRead) and pattern.dtype == expr.dtype and pairs.get(pattern, expr) == expr:
            yield {**pairs, pattern: expr}
        return
    if type(pattern) is not type(expr) or pattern.dtype != expr.dtype:
        return
    if isinstance(pattern, Const | Var):
        if pattern == expr:
            yield pairs
        return
    parts, others = _parts(pattern), _parts(expr)
    if _rest(pattern) != _rest(expr) or len(parts) != len(others):
        return
    yield from _all(parts, others, pairs)
    if isinstance(pattern, Binary) and pattern.op in _COMMUTATIVE:
        yield from _all(parts, others[::-1], pairs)


def _all(patterns: list[Expr], exprs: list[Expr], pairs: Pairs) -> Iterator[Pairs]:
    if not patterns:
        yield pairs
        return
    for found in pairings(patterns[0], exprs[0], pairs):
        yield from _all(patterns[1:], exprs[1:], found)


def _parts(expr: Expr) -> list[Expr]:
    values = [getattr(expr, field.name) for field in fields(expr)]
    return [
        part for value in values for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Expr)
    ]


def _rest(expr: Expr) -> list[Any]:
    """What an expression is but for its parts."""
    values = [getattr(expr, field.name) for field in fields(expr)]
    return [value for value in values if not isinstance(value, Expr | tuple)]


def difference(pattern: Expr, expr: Expr, operands: Mapping[Tensor, str]) -> str:
    """The first place in which `expr` is not `pattern`, in words.

    Parameters
    ----------
    operands:
        How to call the intrinsic's operands.
    """
    if isinstance(pattern, TensorRead):
        operand = operands[pattern.tensor]
        if not isinstance(expr, TensorRead):
            return f"it has {text(expr)} where the intrinsic reads {operand}"
        if pattern.dtype != expr.dtype:
            return f"it reads {expr.tensor.name}, which is {expr.dtype}, where {operand} is {pattern.dtype}"
        return f"it reads {text(expr)} where the intrinsic reads {operand} once more"
    if type(pattern) is type(expr) and _rest(pattern) == _rest(expr):
        for part, other in zip(_parts(pattern), _parts(expr), strict=False):
            if next(pairings(part, other), None) is None:
                return difference(part, other, operands)
    return f"it has {text(expr)} where the intrinsic has {text(pattern)}"


def text(expr: Expr) -> str:
    """An expression in short: what its outermost operation does, and to which type."""
    match expr:
        case TensorRead(tensor, _):
            return f"{tensor.name} ({tensor.dtype})"
        case Binary(op, a, _):
            return f"{op.value} of {a.dtype}"
        case Cast(dtype, a):
            return f"a cast from {a.dtype} to {dtype}"
        case Math(function, args):
            return f"{function} of {args[0].dtype}"
        case Const(value, dtype):
            return f"the number {value} ({dtype})"
    return f"{type(expr).__name__.lower()} of {expr.dtype}"
