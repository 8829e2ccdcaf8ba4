"""What is known of the variables of a program, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from dovetail.compiler.tir.affine import affine
from dovetail.compiler.tir.expr import Binary, Const, Expr, Op, Var, binary
from dovetail.compiler.tir.intervals import interval
from dovetail.compiler.tir.simplify import prove, simplify_expr
from dovetail.compiler.tir.structure import free_vars


class Facts:
    """Bounds of the variables of loops, outer ones first.

    Parameters
    ----------
    sizes:
        Symbolic sizes, which are at least 1.
    """

    def __init__(self, sizes: Collection[Var]) -> None:
        self.sizes = frozenset(sizes)
        self.bounds: dict[Var, tuple[Expr | int, Expr | int]] = {}
        for size in sizes:
            self.bounds[size] = (1, 2**31 - 1)

    def bind(self, var: Var, extent: Expr) -> None:
        """`var` is that of a loop of `extent` iterations."""
        last = int(extent.value) - 1 if isinstance(extent, Const) else self.simplify(extent - 1)
        self.bounds[var] = (0, last)

    def simplify(self, expr: Expr) -> Expr:
        return expr if isinstance(expr, Const | Var) else simplify_expr(expr, self.bounds)

    def proves(self, condition: Expr) -> bool:
        return prove(condition, self.bounds)

    def linear(self, expr: Expr) -> tuple[Iterable[tuple[Expr, int]], int]:
        """`expr` as a sum: terms with their factors, and a number."""
        whole = affine(expr)
        return whole.terms.items(), whole.constant

    def most(self, expr: Expr) -> Const | None:
        """The highest value of `expr`, if it is a number that does not depend on symbolic sizes."""
        high = interval(expr, self.bounds)[1]
        if isinstance(high, float) or math.isinf(high) or (high >= 2**30 and self.sizes):
            return None
        return Const(int(high))

    def over_sizes(self, expr: Expr, limit: Expr) -> Expr:
        """The highest value of `expr`, at least 1, in terms of symbolic sizes only; `limit` if it cannot be found."""
        most = self.most(expr)
        if most is not None:
            return Const(max(int(most.value), 1))
        bound = self._without_loops(expr)
        return limit if bound is None else self.simplify(bound)

    def _without_loops(self, expr: Expr) -> Expr | None:
        whole = affine(expr)
        result: Expr = Const(whole.constant)
        for term, by in whole.terms.items():
            bound = self._bound_of_term(term, by > 0)
            if bound is None:
                return None
            result = result + bound * by
        return result

    def _bound_of_term(self, term: Expr, upper: bool) -> Expr | None:
        if self.sizes.issuperset(free_vars(term)):
            return term
        if isinstance(term, Var) and term in self.bounds:
            limit = self.bounds[term][upper]
            return self._without_loops(limit) if isinstance(limit, Expr) else Const(limit)
        if upper and isinstance(term, Binary) and term.op in (Op.MIN, Op.MAX):
            a, b = self._without_loops(term.a), self._without_loops(term.b)
            return None if a is None or b is None else binary(term.op, a, b)
        return None


def is_one(expr: Expr) -> bool:
    return isinstance(expr, Const) and expr.value == 1
