"""From int32 sums to int8 outputs, as an ordinary expression."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr, ExprLike, as_expr

INT8 = (-128, 127)


@dataclass(frozen=True)
class Residual:
    """An int8 tensor's element that is added to an output.

    Attributes
    ----------
    value: int8
    zero_point, multiplier, shift:
        It counts as ``(value - zero_point) * multiplier / 2**shift``, rounded.
    """

    value: Expr
    zero_point: int = 0
    multiplier: int = 1
    shift: int = 0


def requantise(
    acc: Expr,
    bias: ExprLike | None = None,
    multiplier: ExprLike | None = None,
    shift: ExprLike | None = None,
    *,
    zero_point: int = 0,
    bounds: tuple[int, int] = INT8,
    residual: Residual | None = None,
    fraction: int = 0,
) -> Expr:
    """int8 from a sum, by the arithmetic of the accelerator's `STORE`.

    ``v = saturate32(acc + bias)``, ``q = saturate32(rne(v * multiplier, shift))``, and the result is ``rne(q + r,
    fraction) + zero_point`` within `bounds`, where ``r`` is the residual and ``rne(a, s)`` is ``a / 2**s`` rounded to
    the nearest, ties to even. Terms that are left out are not in the expression.

    Parameters
    ----------
    acc, bias, multiplier, shift: int32
        Or numbers.
    """
    value = acc
    if bias is not None:
        value = t.saturate(acc.astype("int64") + _wide(bias), "int32")
    if multiplier is not None or shift is not None:
        product = value.astype("int64")
        if multiplier is not None:
            product = product * _wide(multiplier)
        value = t.saturate(t.round_shift(product, 0 if shift is None else shift), "int32")
    total = value.astype("int64")
    if residual is not None:
        distance = (residual.value.astype("int64") - residual.zero_point) * residual.multiplier
        total = total + t.saturate(t.round_shift(distance, residual.shift), "int32").astype("int64")
    if fraction:
        total = t.round_shift(total, fraction)
    if zero_point:
        total = total + zero_point
    return t.clip(total, *bounds).astype("int8")


def _wide(value: ExprLike) -> Expr:
    return as_expr(value, "int64").astype("int64")
