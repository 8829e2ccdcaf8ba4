"""Index expressions prepared for evaluation: a constant, variables with coefficients, and what is not linear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Not, Op, Select, Var
from dovetail.compiler.tir.structure import free_vars

from .errors import CodegenError

Values = Mapping[Var, int]
"""What variables stand for."""
Evaluator = Callable[[Values], int]

_OPERATORS: dict[Op, Callable[[int, int], int]] = {
    Op.ADD: int.__add__,
    Op.SUB: int.__sub__,
    Op.MUL: int.__mul__,
    Op.FLOORDIV: int.__floordiv__,
    Op.MOD: int.__mod__,
    Op.MIN: min,
    Op.MAX: max,
    Op.SHL: int.__lshift__,
    Op.SHR: int.__rshift__,
    Op.AND: int.__and__,
    Op.OR: int.__or__,
    Op.XOR: int.__xor__,
    Op.LT: int.__lt__,
    Op.LE: int.__le__,
    Op.EQ: int.__eq__,
    Op.NE: int.__ne__,
}


def evaluator(expr: Expr) -> Evaluator:
    """A function that computes an integer or boolean expression of loop variables.

    Raises
    ------
    CodegenError:
        The expression reads a tensor or is not of integers: instructions cannot depend on data.
    """
    match expr:
        case Const():
            number = int(expr.value)
            return lambda values: number
        case Var():
            return lambda values: values[expr]
        case Binary(op=op) if op in _OPERATORS:
            apply, a, b = _OPERATORS[op], evaluator(expr.a), evaluator(expr.b)
            return lambda values: apply(a(values), b(values))
        case Not():
            inner = evaluator(expr.a)
            return lambda values: not inner(values)
        case Cast():
            return evaluator(expr.a)
        case Select():
            condition, one, other = evaluator(expr.condition), evaluator(expr.a), evaluator(expr.b)
            return lambda values: one(values) if condition(values) else other(values)
    raise CodegenError(f"{expr}: instructions are made before data are known; an index may only use loop variables")


@dataclass(frozen=True)
class Linear:
    """constant + the sum of coefficient * atom, where an atom is a variable or an expression that is not linear."""

    constant: int
    atoms: tuple[tuple[Expr, int], ...] = ()

    @cached_property
    def _parts(self) -> tuple[list[tuple[Var, int]], list[tuple[Evaluator, int]]]:
        plain = [(atom, factor) for atom, factor in self.atoms if isinstance(atom, Var)]
        opaque = [(evaluator(atom), factor) for atom, factor in self.atoms if not isinstance(atom, Var)]
        return plain, opaque

    def __call__(self, values: Values) -> int:
        plain, opaque = self._parts
        total = self.constant
        for var, factor in plain:
            total += values[var] * factor
        for compute, factor in opaque:
            total += compute(values) * factor
        return total

    def coefficient(self, var: Var) -> int:
        """What one more of `var` adds, as far as linear terms go."""
        return next((factor for atom, factor in self.atoms if atom is var), 0)

    @cached_property
    def bent(self) -> frozenset[Var]:
        """Variables that occur in terms that are not linear."""
        return frozenset(var for atom, _ in self.atoms if not isinstance(atom, Var) for var in free_vars(atom))

    def plus(self, other: Linear) -> Linear:
        factors = dict(self.atoms)
        for atom, factor in other.atoms:
            factors[atom] = factors.get(atom, 0) + factor
        kept = tuple((atom, factor) for atom, factor in factors.items() if factor)
        return Linear(self.constant + other.constant, kept)

    def times(self, number: int) -> Linear:
        return Linear(self.constant * number, tuple((atom, factor * number) for atom, factor in self.atoms if number))

    def over(self, divisor: int) -> Linear | None:
        """The exact quotient, None unless every term is a multiple of `divisor`."""
        if self.constant % divisor or any(factor % divisor for _, factor in self.atoms):
            return None
        return Linear(self.constant // divisor, tuple((atom, factor // divisor) for atom, factor in self.atoms))


def linear(expr: Expr) -> Linear:
    """An integer expression as a sum."""
    match expr:
        case Const():
            return Linear(int(expr.value))
        case Cast():
            return linear(expr.a)
        case Binary(op=Op.ADD):
            return linear(expr.a).plus(linear(expr.b))
        case Binary(op=Op.SUB):
            return linear(expr.a).plus(linear(expr.b).times(-1))
        case Binary(op=Op.MUL):
            a, b = linear(expr.a), linear(expr.b)
            if not a.atoms:
                return b.times(a.constant)
            if not b.atoms:
                return a.times(b.constant)
    return Linear(0, ((expr, 1),))
