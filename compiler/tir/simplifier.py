"""The simplifier: index arithmetic as sums, the rest by local rules and intervals."""

from __future__ import annotations

from collections.abc import Collection

from . import arith
from .affine import Affine, is_index
from .dtypes import is_float, is_integer, scalar_of
from .expr import COMPARISONS, Binary, Cast, Const, Expr, Not, Op, Select, cast
from .index_sums import IndexSums
from .intervals import Bound, Bounds, interval
from .structure import rebuild

TRUE = Const(True, "bool")


class Simplifier:
    """Simplifies expressions for given bounds; see `simplify.simplify_expr`."""

    def __init__(self, bounds: Bounds, known: Collection[Expr] = ()) -> None:
        self.bounds = bounds
        self.known = known
        self.sums = IndexSums(bounds)

    def __call__(self, expr: Expr) -> Expr:
        if is_index(expr):
            return self.sums.sum_of(expr).expr(expr.dtype)
        match expr:
            case Binary(op, a, b) if op in COMPARISONS and is_index(a) and is_index(b):
                result = self.comparison(op, self.sums.sum_of(a), self.sums.sum_of(b), a.dtype)
            case Select(condition, a, b, guard):
                return self.select(condition, a, b, guard)
            case _:
                result = self.local(rebuild(expr, self.part))
        return TRUE if result in self.known else result

    def part(self, node: Expr) -> Expr:
        return self(node)

    def comparison(self, op: Op, a: Affine, b: Affine, dtype: str) -> Expr:
        difference = self.sums.rejoined(a - b)
        decided = _decided(op, *self.sums.range_of(difference))
        if decided is not None:
            return Const(decided, "bool")
        if len(difference.terms) < len(a.terms) + len(b.terms):
            left = Affine({term: by for term, by in difference.terms.items() if by > 0})
            right = Affine({term: -by for term, by in difference.terms.items() if by < 0}, -difference.constant)
            if left.terms:
                return Binary(op, left.expr(dtype), right.expr(dtype))
            return Binary(op, left.plus(difference.constant).expr(dtype), right.plus(difference.constant).expr(dtype))
        return Binary(op, a.expr(dtype), b.expr(dtype))

    def select(self, condition: Expr, a: Expr, b: Expr, guard: bool) -> Expr:
        test = self(condition)
        if isinstance(test, Const) and scalar_of(test.type) == "bool":
            return self(a if test.value else b)
        known = [*self.known, *conjuncts(test)] if guard else self.known
        chosen, other = Simplifier(self.bounds, known)(a), self(b)
        return chosen if chosen == other else Select(test, chosen, other, guard)

    def local(self, expr: Expr) -> Expr:
        """`expr` simplified, its operands being so already."""
        match expr:
            case Cast(dtype, a) if isinstance(a, Const):
                return cast(dtype, a)
            case Not(Const(value, dtype)):
                return Const(not value, dtype)
            case Not(Not(a)):
                return a
            case Not(Binary(op, a, b)) if op in _OPPOSITE and is_integer(a.dtype):
                inverse, swapped = _OPPOSITE[op]
                return Binary(inverse, b, a) if swapped else Binary(inverse, a, b)
            case Binary():
                return self.binary(expr)
        return expr

    def binary(self, expr: Binary) -> Expr:
        op, a, b = expr.op, expr.a, expr.b
        if isinstance(a, Const) and isinstance(b, Const) and not (b.value == 0 and op in _DIVISIONS):
            return Const(arith.evaluate(op, a.value, b.value, a.type), expr.dtype)
        if op in (Op.AND, Op.OR) and scalar_of(expr.dtype) == "bool":
            return _logical(op, a, b)
        if not is_float(a.dtype):
            neutral = _neutral(op, a, b)
            if neutral is not None:
                return neutral
        if is_integer(a.dtype) and (op in COMPARISONS or op in (Op.MIN, Op.MAX)):
            one, other = interval(a, self.bounds), interval(b, self.bounds)
            low, high = one[0] - other[1], one[1] - other[0]
            if op in (Op.MIN, Op.MAX):
                if high <= 0:
                    return a if op is Op.MIN else b
                if low >= 0:
                    return b if op is Op.MIN else a
            elif (decided := _decided(op, low, high)) is not None:
                return Const(decided, expr.dtype)
        if op in (Op.MIN, Op.MAX) and a == b:
            return a
        return expr


_DIVISIONS = frozenset({Op.FLOORDIV, Op.MOD, Op.DIV})
_OPPOSITE = {Op.LT: (Op.LE, True), Op.LE: (Op.LT, True), Op.EQ: (Op.NE, False), Op.NE: (Op.EQ, False)}
"""The comparison that holds where another does not, and whether its sides are swapped."""

_NEUTRAL_RIGHT = {
    Op.ADD: 0,
    Op.SUB: 0,
    Op.MUL: 1,
    Op.FLOORDIV: 1,
    Op.SHL: 0,
    Op.SHR: 0,
    Op.OR: 0,
    Op.XOR: 0,
}
_NEUTRAL_LEFT = {Op.ADD: 0, Op.MUL: 1, Op.OR: 0, Op.XOR: 0}


def conjuncts(condition: Expr) -> list[Expr]:
    """The conditions of which `condition` is the conjunction."""
    if isinstance(condition, Binary) and condition.op is Op.AND and scalar_of(condition.dtype) == "bool":
        return conjuncts(condition.a) + conjuncts(condition.b)
    return [condition]


def _neutral(op: Op, a: Expr, b: Expr) -> Expr | None:
    """What is left of integer arithmetic with an operand that changes nothing, or that alone decides."""
    if isinstance(b, Const) and scalar_of(b.type) != "bool":
        if op in _NEUTRAL_RIGHT and b.value == _NEUTRAL_RIGHT[op]:
            return a
        if (op is Op.MUL and b.value == 0) or (op is Op.MOD and b.value == 1):
            return Const(0, a.dtype)
    if isinstance(a, Const) and scalar_of(a.type) != "bool":
        if op in _NEUTRAL_LEFT and a.value == _NEUTRAL_LEFT[op]:
            return b
        if op is Op.MUL and a.value == 0:
            return a
    return None


def _logical(op: Op, a: Expr, b: Expr) -> Expr:
    decisive = op is Op.OR
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Const):
            return one if bool(one.value) == decisive else other
    return a if a == b else Binary(op, a, b)


def _decided(op: Op, low: Bound, high: Bound) -> bool | None:
    """Whether a - b `op` 0 holds, if it is the same for all differences from `low` to `high`."""
    match op:
        case Op.LT:
            return True if high < 0 else False if low >= 0 else None
        case Op.LE:
            return True if high <= 0 else False if low > 0 else None
        case Op.EQ | Op.NE:
            if low == high == 0:
                return op is Op.EQ
            return op is Op.NE if low > 0 or high < 0 else None
    return None
