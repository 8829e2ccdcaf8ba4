"""The range of an index expression as variables run over theirs, in terms of the variables that are left."""

from __future__ import annotations

from collections.abc import Mapping

from .affine import Affine
from .expr import Binary, Const, Expr, Op, Select, Var, maximum, minimum
from .intervals import Bounds
from .simplifier import Simplifier
from .structure import free_vars


def relax(
    expr: Expr, ranges: Mapping[Var, tuple[Expr, Expr]], bounds: Bounds | None = None
) -> tuple[Expr, Expr] | None:
    """The lowest and the highest value of `expr`, where the variables of `ranges` take all of their values.

    Exact where each of them occurs once, with a constant coefficient or within quotients, minima and maxima; else it
    may be too wide.

    Parameters
    ----------
    ranges:
        Begin and extent of each variable, outer ones first: they may depend on those before.
    bounds:
        Bounds of the variables that are left, which help to simplify the results.

    Returns
    -------
    None:
        Nothing is known, for instance of an index that is read from memory.
    """
    known: dict[Var, tuple[Expr | int, Expr | int]] = dict(bounds or {})
    for var, (begin, extent) in ranges.items():
        known[var] = (begin, begin + (extent - 1))
    relaxation = _Relaxation(known)
    ends: list[Expr] = []
    for upper in (False, True):
        end = expr
        for var, (begin, extent) in reversed(list(ranges.items())):
            relaxed = relaxation.extreme(end, var, (begin, begin + (extent - 1)), upper)
            if relaxed is None:
                return None
            end = relaxed
        ends.append(relaxation.simplify(end))
    return ends[0], ends[1]


class _Relaxation:
    def __init__(self, bounds: Bounds) -> None:
        self.simplify = Simplifier(bounds)

    def extreme(self, expr: Expr, var: Var, ends: tuple[Expr, Expr], upper: bool) -> Expr | None:
        """The highest or lowest value of `expr` for `var` between `ends`."""
        if var not in free_vars(expr):
            return expr
        if not isinstance(expr, Binary):
            return self.term(expr, var, ends, upper)
        whole = self.simplify.sums.sum_of(expr)
        inside = [term for term in whole.terms if var in free_vars(term)]
        for term in inside:
            if len(inside) > 1 and isinstance(term, Binary) and term.op in (Op.MIN, Op.MAX):
                return self.distributed(whole, term, var, ends, upper, expr.dtype)
        rest = Affine({term: by for term, by in whole.terms.items() if term not in inside}, whole.constant)
        result = rest
        for term in inside:
            by = whole.terms[term]
            end = self.term(term, var, ends, upper == (by > 0))
            if end is None:
                return None
            result = result + self.simplify.sums.sum_of(end).scaled(by)
        return self.simplify(result.expr(expr.dtype))

    def distributed(
        self, whole: Affine, term: Binary, var: Var, ends: tuple[Expr, Expr], upper: bool, dtype: str
    ) -> Expr | None:
        """The extreme of a sum with a minimum or maximum that has `var` in common with other terms."""
        by, rest = whole.terms[term], whole.without(term)
        one, other = (
            self.extreme((rest + self.simplify.sums.sum_of(part).scaled(by)).expr(dtype), var, ends, upper)
            for part in (term.a, term.b)
        )
        if one is None or other is None:
            return None
        least = (term.op is Op.MIN) == (by > 0)
        return self.simplify(minimum(one, other) if least else maximum(one, other))

    def term(self, term: Expr, var: Var, ends: tuple[Expr, Expr], upper: bool) -> Expr | None:
        """The extreme of what is no sum."""
        match term:
            case Var():
                return ends[upper]
            case Binary(Op.MIN | Op.MAX as op, a, b):
                one, other = self.extreme(a, var, ends, upper), self.extreme(b, var, ends, upper)
                if one is None or other is None:
                    return None
                return self.simplify(minimum(one, other) if op is Op.MIN else maximum(one, other))
            case Binary(Op.FLOORDIV, a, Const(divisor) as b) if divisor > 0:
                end = self.extreme(a, var, ends, upper)
                return None if end is None else self.simplify(end // b)
            case Binary(Op.MOD, a, Const(divisor) as b) if divisor > 0:
                return self.remainder(a, b, var, ends, upper)
            case Binary(Op.MUL, a, b):
                fixed, moving = (b, a) if var in free_vars(a) else (a, b)
                if var in free_vars(fixed) or self.simplify(Const(0, fixed.dtype) <= fixed) != Const(True, "bool"):
                    return None
                end = self.extreme(moving, var, ends, upper)
                return None if end is None else self.simplify(end * fixed)
            case Select(_, a, b):
                one, other = self.extreme(a, var, ends, upper), self.extreme(b, var, ends, upper)
                if one is None or other is None:
                    return None
                return self.simplify(maximum(one, other) if upper else minimum(one, other))
        return None

    def remainder(self, a: Expr, divisor: Const, var: Var, ends: tuple[Expr, Expr], upper: bool) -> Expr:
        """Exact where `a` stays between two multiples of `divisor`."""
        low, high = self.extreme(a, var, ends, False), self.extreme(a, var, ends, True)
        if low is not None and high is not None and self.simplify(low // divisor) == self.simplify(high // divisor):
            return self.simplify((high if upper else low) % divisor)
        return Const(int(divisor.value) - 1 if upper else 0, a.dtype)
