"""Functions of tensor expressions: reductions, choices, conversions and integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail.compiler.tir import dtypes
from dovetail.compiler.tir import expr as tir
from dovetail.compiler.tir.expr import Expr, ExprLike, Math, Number, Op, Select

from .errors import LanguageError, located
from .mathematics import number
from .tensor import REDUCTIONS, Axis, AxisKind, Reduce


@located
def sum(expr: ExprLike, axis: Axis | Sequence[Axis]) -> Expr:
    """The sum of `expr` over reduce axes, in its own dtype: cast to int32 what would not fit in int8.

    Raises
    ------
    LanguageError:
        `axis` is no reduce axis, or `expr` is boolean.
    """
    return _reduce(Op.ADD, tir.as_expr(expr), axis)


@located
def product(expr: ExprLike, axis: Axis | Sequence[Axis]) -> Expr:
    """The product of `expr` over reduce axes, in its own dtype.

    Raises
    ------
    LanguageError:
        `axis` is no reduce axis, or `expr` is boolean.
    """
    return _reduce(Op.MUL, tir.as_expr(expr), axis)


@located
def max(expr: ExprLike, *others: ExprLike, axis: Axis | Sequence[Axis] | None = None) -> Expr:
    """The greatest value of `expr` over reduce axes; without `axis`, the greatest of the arguments.

    Raises
    ------
    LanguageError:
        Both or neither are given, or `axis` is no reduce axis.
    """
    return _extreme(Op.MAX, expr, others, axis)


@located
def min(expr: ExprLike, *others: ExprLike, axis: Axis | Sequence[Axis] | None = None) -> Expr:
    """The least value of `expr` over reduce axes; without `axis`, the least of the arguments.

    Raises
    ------
    LanguageError:
        Both or neither are given, or `axis` is no reduce axis.
    """
    return _extreme(Op.MIN, expr, others, axis)


@located
def cast(dtype: str, value: ExprLike) -> Expr:
    """`value` as `dtype`, as C converts it: integers wrap, floats are cut towards zero; ``value.astype(dtype)`` too."""
    return tir.cast(dtype, value)


@located
def select(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """`a` where `condition` holds, else `b`. Both are evaluated: neither may read outside of its tensor."""
    return _choose(condition, a, b, guard=False)


@located
def if_then_else(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """`a` where `condition` holds, else `b`, and only that is evaluated: as padding is written."""
    return _choose(condition, a, b, guard=True)


@located
def all(*conditions: Expr) -> Expr:
    """True where every condition holds."""
    return _connect(Op.AND, conditions)


@located
def any(*conditions: Expr) -> Expr:
    """True where one of the conditions holds."""
    return _connect(Op.OR, conditions)


@located
def equal(a: ExprLike, b: ExprLike) -> Expr:
    """True where the two are equal; ``==`` compares the expressions themselves."""
    return tir.equal(a, b)


@located
def not_equal(a: ExprLike, b: ExprLike) -> Expr:
    """True where the two differ; ``!=`` compares the expressions themselves."""
    return tir.binary(Op.NE, a, b)


@located
def clip(x: ExprLike, low: ExprLike, high: ExprLike) -> Expr:
    """`x`, but at least `low` and at most `high`."""
    return tir.minimum(tir.maximum(x, low), high)


@located
def saturate(x: ExprLike, dtype: str) -> Expr:
    """`x` as an integer type, its nearest value where `x` does not fit; floats are cut towards zero first."""
    expr = tir.as_expr(x)
    if not dtypes.is_integer(dtypes.check_dtype(dtype)):
        raise LanguageError(f"saturate gives integers, not {dtype}; use cast")
    low, high = dtypes.limits(dtype)
    if dtypes.is_float(expr.dtype):
        float_type = dtypes.numpy_dtype(expr.dtype).type
        top = float_type(high)
        if int(top) > high:
            top = np.nextafter(top, float_type(0))
        return tir.cast(dtype, tir.minimum(tir.maximum(expr, float(low)), float(top)))
    lowest, highest = dtypes.limits(expr.dtype) if dtypes.is_integer(expr.dtype) else (0, 1)
    if lowest < low:
        expr = tir.maximum(expr, low)
    if highest > high:
        expr = tir.minimum(expr, high)
    return tir.cast(dtype, expr)


@located
def round_shift(x: ExprLike, shift: ExprLike) -> Expr:
    """``x / 2**shift`` to the nearest integer, ties to even, exact whatever the sizes.

    Raises
    ------
    LanguageError:
        One of them is no integer, or `x` is uint64.
    """
    value, places = tir.as_expr(x), tir.as_expr(shift)
    for operand in (value, places):
        if not dtypes.is_integer(operand.dtype):
            raise LanguageError(f"round_shift takes integers, not {operand.dtype}")
    if value.dtype == "uint64":
        raise LanguageError("round_shift takes integers that int64 holds, not uint64; cast it")
    return Math("round_shift", (value, tir.cast(value.dtype, places)))


def _extreme(op: Op, expr: ExprLike, others: tuple[ExprLike, ...], axis: Axis | Sequence[Axis] | None) -> Expr:
    if (axis is None) != bool(others):
        raise LanguageError(f"{op.value} takes either several values or one and axis=")
    if axis is not None:
        return _reduce(op, tir.as_expr(expr), axis)
    result = tir.as_expr(expr)
    for other in others:
        result = number(tir.binary(op, result, other), op.value)
    return result


def _reduce(op: Op, source: Expr, axis: Axis | Sequence[Axis]) -> Expr:
    name = REDUCTIONS[op]
    axes = tuple(axis) if isinstance(axis, list | tuple) else (axis,)
    for place, one in enumerate(axes):
        if not isinstance(one, Axis) or one.kind is not AxisKind.REDUCE:
            raise LanguageError(f"{name} reduces over axes of reduce_axis, not {one}")
        if one in axes[:place]:
            raise LanguageError(f"{name} reduces over {one} twice")
    if not axes:
        raise LanguageError(f"{name} needs an axis to reduce over")
    number(source, name)
    if isinstance(source, Reduce):
        raise LanguageError(f"{name} of a reduction; give both axes to one, or compute the inner one as its own tensor")
    return Reduce(op, source, axes, _identity(op, source.dtype))


def _identity(op: Op, dtype: str) -> Number:
    if dtypes.is_float(dtype):
        return {Op.ADD: 0.0, Op.MUL: 1.0, Op.MIN: float("inf"), Op.MAX: float("-inf")}[op]
    low, high = dtypes.limits(dtype)
    return {Op.ADD: 0, Op.MUL: 1, Op.MIN: high, Op.MAX: low}[op]


def _choose(condition: Expr, a: ExprLike, b: ExprLike, guard: bool) -> Expr:
    test = _condition(condition)
    if test.dtype != "bool":
        raise LanguageError(f"a condition is boolean, not {test.dtype}; compare it with something")
    one = tir.as_expr(a, b.as_expr().dtype if isinstance(b, tir.Symbolic) else None)
    other = tir.as_expr(b, one.dtype)
    dtype = dtypes.promoted(one.dtype, other.dtype)
    return Select(test, tir.cast(dtype, one), tir.cast(dtype, other), guard)


def _condition(condition: ExprLike) -> Expr:
    if isinstance(condition, bool):
        raise LanguageError(
            f"a condition is {condition} whatever the indices are; == and != compare the expressions themselves, "
            f"use equal or not_equal"
        )
    return tir.as_expr(condition)


def _connect(op: Op, conditions: tuple[Expr, ...]) -> Expr:
    if not conditions:
        raise LanguageError(f"{'all' if op is Op.AND else 'any'} needs at least one condition")
    exprs = [_condition(condition) for condition in conditions]
    for expr in exprs:
        if expr.dtype != "bool":
            raise LanguageError(f"a condition is boolean, not {expr.dtype}; compare it with something")
    result = exprs[0]
    for expr in exprs[1:]:
        result = tir.binary(op, result, expr)
    return result
