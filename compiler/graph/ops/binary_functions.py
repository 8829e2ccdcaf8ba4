"""Functions of two elements: their meanings in NumPy and as expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.types import Array
from dovetail.compiler.tir.dtypes import bits_of, is_float, is_integer
from dovetail.compiler.tir.expr import Expr

from .kinds import BOOLEANS, INTEGERS, NUMBERS

EXPONENTS = NUMBERS
"""Types that an exponent may have."""


@dataclass(frozen=True)
class BinaryFunction:
    """A function of two elements of one type.

    Attributes
    ----------
    numpy, expr:
        Its two meanings.
    dtypes:
        What it takes; the result is of the same type.
    test:
        The result is boolean instead.
    """

    numpy: Callable[[Array, Array], Any]
    expr: Callable[[Expr, Expr], Expr]
    dtypes: tuple[str, ...] = NUMBERS
    test: bool = False


def _zero(x: Expr) -> Expr:
    return te.cast(x.dtype, 0)


def _differs_in_sign(a: Expr, b: Expr) -> Expr:
    return te.not_equal(a < _zero(a), b < _zero(b))


def _cut(a: Expr, b: Expr) -> Expr:
    """What rounding towards zero adds to the quotient that is rounded down: a condition."""
    return te.all(te.not_equal(a % b, _zero(a)), _differs_in_sign(a, b))


def _div(a: Expr, b: Expr) -> Expr:
    if is_float(a.dtype):
        return a / b
    return te.select(_cut(a, b), a // b + te.cast(a.dtype, 1), a // b)


def _div_in_numpy(a: Array, b: Array) -> Any:
    if is_float(a.dtype.name):
        return np.divide(a, b)
    return np.floor_divide(a - np.fmod(a, b), b)


def _mod(a: Expr, b: Expr) -> Expr:
    if is_integer(a.dtype):
        return a % b
    rest = te.fmod(a, b)
    return te.select(te.all(te.not_equal(rest, _zero(rest)), _differs_in_sign(rest, b)), rest + b, rest)


def _fmod(a: Expr, b: Expr) -> Expr:
    if is_float(a.dtype):
        return te.fmod(a, b)
    return te.select(_cut(a, b), a % b - b, a % b)


def _pow(a: Expr, b: Expr) -> Expr:
    if is_float(a.dtype):
        return te.pow(a, te.cast(a.dtype, b))
    return te.cast(a.dtype, te.pow(te.cast("float64", a), te.cast("float64", b)))


def _pow_in_numpy(a: Array, b: Array) -> Any:
    if is_float(a.dtype.name):
        return np.power(a, b.astype(a.dtype))
    return np.power(a.astype(np.float64), b.astype(np.float64))


def _maximum(a: Expr, b: Expr) -> Expr:
    return _or_nan(te.max(a, b), b)


def _minimum(a: Expr, b: Expr) -> Expr:
    return _or_nan(te.min(a, b), b)


def _or_nan(chosen: Expr, second: Expr) -> Expr:
    """`chosen`, but `second` where that is not a number: the first one, if it is none, is chosen anyway."""
    return te.select(te.isnan(second), second, chosen) if is_float(second.dtype) else chosen


def _shift_left(a: Expr, b: Expr) -> Expr:
    return te.select(_inside(a, b), a << b, _zero(a))


def _shift_right(a: Expr, b: Expr) -> Expr:
    beyond = te.select(a < _zero(a), _zero(a) - te.cast(a.dtype, 1), _zero(a))
    return te.select(_inside(a, b), a >> b, beyond)


def _inside(a: Expr, b: Expr) -> Expr:
    return te.all(b >= _zero(b), b < te.cast(b.dtype, bits_of(a.dtype)))


BINARY: dict[str, BinaryFunction] = {
    "add": BinaryFunction(np.add, lambda a, b: a + b),
    "sub": BinaryFunction(np.subtract, lambda a, b: a - b),
    "mul": BinaryFunction(np.multiply, lambda a, b: a * b),
    "div": BinaryFunction(_div_in_numpy, _div),
    "mod": BinaryFunction(np.mod, _mod),
    "fmod": BinaryFunction(np.fmod, _fmod),
    "pow": BinaryFunction(_pow_in_numpy, _pow),
    "maximum": BinaryFunction(np.maximum, _maximum),
    "minimum": BinaryFunction(np.minimum, _minimum),
    "and": BinaryFunction(np.logical_and, lambda a, b: te.all(a, b), BOOLEANS),
    "or": BinaryFunction(np.logical_or, lambda a, b: te.any(a, b), BOOLEANS),
    "xor": BinaryFunction(np.logical_xor, te.not_equal, BOOLEANS),
    "bitwise_and": BinaryFunction(np.bitwise_and, lambda a, b: a & b, INTEGERS),
    "bitwise_or": BinaryFunction(np.bitwise_or, lambda a, b: a | b, INTEGERS),
    "bitwise_xor": BinaryFunction(np.bitwise_xor, lambda a, b: a ^ b, INTEGERS),
    "shift_left": BinaryFunction(np.left_shift, _shift_left, INTEGERS),
    "shift_right": BinaryFunction(np.right_shift, _shift_right, INTEGERS),
    "equal": BinaryFunction(np.equal, te.equal, (*BOOLEANS, *NUMBERS), test=True),
    "less": BinaryFunction(np.less, lambda a, b: a < b, test=True),
    "less_equal": BinaryFunction(np.less_equal, lambda a, b: a <= b, test=True),
    "greater": BinaryFunction(np.greater, lambda a, b: a > b, test=True),
    "greater_equal": BinaryFunction(np.greater_equal, lambda a, b: a >= b, test=True),
}
