"""Simplification of expressions, and what can be proved and bounded of them."""

from __future__ import annotations

from collections.abc import Collection

from .affine import Affine, affine, is_index, linear
from .expr import Expr
from .intervals import Bound, Bounds, Interval, interval
from .relax import relax
from .simplifier import TRUE, Simplifier, conjuncts

__all__ = [
    "Affine",
    "Bound",
    "Bounds",
    "Interval",
    "affine",
    "conjuncts",
    "interval",
    "is_index",
    "linear",
    "prove",
    "relax",
    "simplify_expr",
]


def simplify_expr(expr: Expr, bounds: Bounds, known: Collection[Expr] = ()) -> Expr:
    """An expression of the same value and dtype, where variables are within `bounds`.

    Arithmetic on variables and constants becomes a sum of multiples of variables, quotients, remainders, minima and
    maxima, of which those that `bounds` decide are gone. In other arithmetic, constants are folded, neutral operands
    dropped, and minima, maxima and comparisons decided where intervals can.

    Parameters
    ----------
    known:
        Simplified conditions that hold.
    """
    return Simplifier(bounds, known)(expr)


def prove(condition: Expr, bounds: Bounds, known: Collection[Expr] = ()) -> bool:
    """Whether `condition` is certain to hold; False also where nothing can be said."""
    return simplify_expr(condition, bounds, known) == TRUE
