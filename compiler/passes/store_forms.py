"""What an expression must be made of to be computed by `STORE` on the way out."""

from __future__ import annotations

from collections.abc import Iterator

from dovetail.compiler.tir.dtypes import is_float
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Load, Math, Op
from dovetail.compiler.tir.structure import children
from dovetail.compiler.vdla.scopes import ACC_BUFFER

_OPERATORS = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.SHL, Op.MIN, Op.MAX})
_SCALED = "t.round_shift(sum.astype('int64') * multiplier, shift)"


class NotStoredError(Exception):
    """`STORE` does not compute an expression; the message says which and why."""


def check_integers(value: Expr) -> None:
    """Raises `NotStoredError` if a part of `value` is of a floating-point type."""
    floats = [part for part in _parts(value) if is_float(part.dtype) and not isinstance(part, Const)]
    if floats:
        raise NotStoredError(
            f"{floats[-1]} is {floats[-1].dtype}, but a store works on integers only; use t.round_shift, or a "
            f"multiplier and shift: {_SCALED}"
        )


def check_operators(value: Expr, acc: Load) -> None:
    """Raises `NotStoredError` if something is done to the accumulator `acc` that no store does."""
    for part in _parts(value):
        if not _has(part, acc):
            continue
        match part:
            case Binary(Op.FLOORDIV | Op.SHR):
                raise NotStoredError(
                    f"{part}: a store divides only by rounding to the nearest; use t.round_shift, or a multiplier and "
                    f"shift: {_SCALED}; to round down, compute it in {ACC_BUFFER} if the divisor is a power of two"
                )
            case Binary(Op.MUL, a, b) if _has(a, acc) and _has(b, acc):
                raise NotStoredError(
                    f"{part} multiplies the accumulator by itself; a store multiplies by a constant or an element of "
                    f"an int32 vector only, so compute the product on the host"
                )
            case Load() | Cast():
                continue
            case Binary(op) if op in _OPERATORS:
                continue
            case Math("round_shift", (_, shift)) if not _has(shift, acc):
                continue
        raise NotStoredError(
            f"{part}: a store only adds, multiplies, clips and rounds (t.round_shift) an accumulator; compute the rest "
            f"in {ACC_BUFFER} as far as the ALU can (+ - min max << >>), or on the host"
        )


def _has(value: Expr, acc: Load) -> bool:
    return any(part == acc for part in _parts(value))


def _parts(value: Expr) -> Iterator[Expr]:
    """`value` and what it is computed from; the indices of elements are none of that."""
    yield value
    if not isinstance(value, Load):
        for child in children(value):
            if isinstance(child, Expr):
                yield from _parts(child)
