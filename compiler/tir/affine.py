"""Index expressions as sums of integer multiples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .dtypes import INDEX
from .expr import Binary, Const, Expr, Op, Var
from .structure import free_vars

INDEX_TYPES = (INDEX, "int64")
_INDEX_OPS = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.FLOORDIV, Op.MOD, Op.MIN, Op.MAX})


@dataclass(frozen=True)
class Affine:
    """The sum of coefficient * term, and a constant.

    Attributes
    ----------
    terms:
        By their terms, which are variables or expressions that are no sums; no coefficient is 0. Their order is that of
        their first appearance.
    """

    terms: Mapping[Expr, int]
    constant: int = 0

    def __add__(self, other: Affine) -> Affine:
        return total((self, other))

    def __sub__(self, other: Affine) -> Affine:
        return total((self, other.scaled(-1)))

    def scaled(self, factor: int) -> Affine:
        if factor == 1:
            return self
        if factor == 0:
            return Affine({})
        return Affine({term: factor * by for term, by in self.terms.items()}, factor * self.constant)

    def plus(self, number: int) -> Affine:
        return Affine(self.terms, self.constant + number)

    def without(self, term: Expr) -> Affine:
        return Affine({other: by for other, by in self.terms.items() if other != term}, self.constant)

    def expr(self, dtype: str = INDEX) -> Expr:
        """As an expression: terms in their order, but begun with one that is added, then the constant."""
        order = list(self.terms.items())
        first = next((place for place, (_, by) in enumerate(order) if by > 0), None)
        if first is not None:
            order.insert(0, order.pop(first))
            result = _times(*order.pop(0), dtype)
        elif self.constant or not order:
            result = Const(self.constant, dtype)
        else:
            result = Const(0, dtype)
        for term, by in order:
            result = Binary(Op.ADD if by > 0 else Op.SUB, result, _times(term, abs(by), dtype))
        if first is not None and self.constant:
            sign = Op.ADD if self.constant > 0 else Op.SUB
            result = Binary(sign, result, Const(abs(self.constant), dtype))
        return result


def total(parts: Iterable[Affine]) -> Affine:
    """The sum of sums."""
    terms: dict[Expr, int] = {}
    constant = 0
    for part in parts:
        constant += part.constant
        for term, by in part.terms.items():
            terms[term] = terms.get(term, 0) + by
    return Affine({term: by for term, by in terms.items() if by}, constant)


def affine(expr: Expr) -> Affine:
    """`expr` as a sum. What is neither a sum nor a multiple is a term as it stands."""
    match expr:
        case Const(value):
            return Affine({}, int(value))
        case Binary(Op.ADD, a, b):
            return affine(a) + affine(b)
        case Binary(Op.SUB, a, b):
            return affine(a) - affine(b)
        case Binary(Op.MUL, a, b):
            left, right = affine(a), affine(b)
            if not right.terms:
                return left.scaled(right.constant)
            if not left.terms:
                return right.scaled(left.constant)
    return Affine({expr: 1})


def linear(expr: Expr, variables: Iterable[Var]) -> tuple[dict[Var, int], Expr] | None:
    """The coefficients of `variables`, 0 included, and the rest of `expr`, which has none of them.

    None if `expr` depends on one of them in another way.
    """
    total_of = affine(expr)
    coefficients = {var: total_of.terms.get(var, 0) for var in variables}
    rest = Affine({term: by for term, by in total_of.terms.items() if term not in coefficients}, total_of.constant)
    if any(var in coefficients for term in rest.terms for var in free_vars(term)):
        return None
    return coefficients, rest.expr(expr.dtype)


def is_index(expr: Expr) -> bool:
    """Whether `expr` is arithmetic on variables and constants alone, of an index type; it is taken not to overflow."""
    if isinstance(expr, Binary):
        return expr.op in _INDEX_OPS and is_index(expr.a) and is_index(expr.b)
    return isinstance(expr, Var | Const) and expr.dtype in INDEX_TYPES


def _times(term: Expr, by: int, dtype: str) -> Expr:
    return term if by == 1 else Binary(Op.MUL, term, Const(by, dtype))
