"""The iterations of loops, many at once: values of variables, and how often each combination occurs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Not, Op, Select, Var

Whole = NDArray[np.int64]

_OPERATORS: dict[Op, Callable[[Any, Any], Any]] = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.FLOORDIV: np.floor_divide,
    Op.MOD: np.mod,
    Op.MIN: np.minimum,
    Op.MAX: np.maximum,
    Op.AND: np.bitwise_and,
    Op.OR: np.bitwise_or,
    Op.LT: np.less,
    Op.LE: np.less_equal,
    Op.EQ: np.equal,
    Op.NE: np.not_equal,
}


class Unknown(Exception):
    """An expression depends on data, or on a variable whose values were not kept."""


@dataclass(frozen=True)
class Points:
    """Iterations of the loops around a statement, in the order of execution.

    Attributes
    ----------
    values:
        Of variables that something depends on.
    times:
        How often each happens, for loops whose variables nothing depends on.
    origins:
        The number of the point from which each has come, see `tracked`.
    """

    times: Whole
    origins: Whole
    values: Mapping[Var, Whole] = field(default_factory=dict)

    @classmethod
    def one(cls) -> Points:
        """No loops: it happens once."""
        return cls(np.ones(1, np.int64), np.zeros(1, np.int64))

    def __len__(self) -> int:
        return len(self.times)

    def tracked(self) -> Points:
        """The same, each the origin of what becomes of it, and counted once."""
        return Points(np.ones(len(self), np.int64), np.arange(len(self)), self.values)

    def of(self, expr: Expr) -> Whole:
        """The values of an expression.

        Raises
        ------
        Unknown:
            It has none.
        """
        return np.broadcast_to(np.asarray(self._of(expr)), len(self))

    def only(self, holds: NDArray[np.bool_]) -> Points:
        """Those for which something holds."""
        return self._taken(np.flatnonzero(holds))

    def repeated(self, count: Whole) -> Points:
        """Inside of a loop of so many iterations on whose variable nothing depends."""
        count = np.maximum(count, 0)
        points = self if count.all() else self.only(count > 0)
        return Points(points.times * count[count > 0], points.origins, points.values)

    def iterated(self, var: Var, count: Whole) -> Points:
        """Inside of a loop of so many iterations."""
        count = np.maximum(count, 0)
        points = self._taken(np.repeat(np.arange(len(self)), count))
        begins = np.repeat(np.cumsum(count) - count, count)
        return Points(points.times, points.origins, {**points.values, var: np.arange(len(points)) - begins})

    def _taken(self, places: NDArray[np.int64]) -> Points:
        values = {var: value[places] for var, value in self.values.items()}
        return Points(self.times[places], self.origins[places], values)

    def _of(self, expr: Expr) -> Any:
        match expr:
            case Const(value):
                return value
            case Var():
                if expr in self.values:
                    return self.values[expr]
            case Binary(op, a, b) if op in _OPERATORS:
                return _OPERATORS[op](self._of(a), self._of(b))
            case Not(a):
                return np.logical_not(self._of(a))
            case Cast(_, a):
                return self._of(a)
            case Select(condition, a, b):
                return np.where(self._of(condition), self._of(a), self._of(b))
        raise Unknown(str(expr))
