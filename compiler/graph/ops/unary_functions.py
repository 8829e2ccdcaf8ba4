"""Functions of one element: their meanings in NumPy and as expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.types import Array
from dovetail.compiler.tir.dtypes import is_float, limits
from dovetail.compiler.tir.expr import Expr

from .kinds import BOOLEANS, FLOATS, INTEGERS, NUMBERS


@dataclass(frozen=True)
class UnaryFunction:
    """A function of one element.

    Attributes
    ----------
    numpy, expr:
        Its two meanings.
    dtypes:
        What it takes; the result is of the same type.
    test:
        The result is boolean instead.
    """

    numpy: Callable[[Array], Any]
    expr: Callable[[Expr], Expr]
    dtypes: tuple[str, ...] = FLOATS
    test: bool = False


def _negated(x: Expr) -> Expr:
    """-x; of a zero too, where ``0 - x`` has the other sign."""
    return x * -1.0 if is_float(x.dtype) else -x


def _sign(x: Expr) -> Expr:
    one, zero = te.cast(x.dtype, 1), te.cast(x.dtype, 0)
    positive = te.select(x > zero, one, x)
    signed = is_float(x.dtype) or limits(x.dtype)[0] < 0
    return te.select(x < zero, te.cast(x.dtype, -1), positive) if signed else positive


def _softplus(x: Expr) -> Expr:
    return te.max(x, te.cast(x.dtype, 0.0)) + te.log1p(te.exp(_negated(te.abs(x))))


UNARY: dict[str, UnaryFunction] = {
    "abs": UnaryFunction(np.abs, te.abs, NUMBERS),
    "neg": UnaryFunction(np.negative, _negated, NUMBERS),
    "sign": UnaryFunction(np.sign, _sign, NUMBERS),
    "relu": UnaryFunction(lambda x: np.maximum(x, 0), lambda x: te.max(x, te.cast(x.dtype, 0)), NUMBERS),
    "exp": UnaryFunction(np.exp, te.exp),
    "log": UnaryFunction(np.log, te.log),
    "sqrt": UnaryFunction(np.sqrt, te.sqrt),
    "tanh": UnaryFunction(np.tanh, te.tanh),
    "erf": UnaryFunction(np.vectorize(math.erf, otypes=[np.float64]), te.erf),
    "floor": UnaryFunction(np.floor, te.floor),
    "ceil": UnaryFunction(np.ceil, te.ceil),
    "round": UnaryFunction(np.rint, te.round),
    "reciprocal": UnaryFunction(np.reciprocal, lambda x: te.cast(x.dtype, 1.0) / x),
    "sigmoid": UnaryFunction(lambda x: 1 / (1 + np.exp(-x)), lambda x: 1.0 / (1.0 + te.exp(_negated(x)))),
    "softplus": UnaryFunction(lambda x: np.logaddexp(np.zeros_like(x), x), _softplus),
    "sin": UnaryFunction(np.sin, te.sin),
    "cos": UnaryFunction(np.cos, te.cos),
    "tan": UnaryFunction(np.tan, te.tan),
    "asin": UnaryFunction(np.arcsin, te.asin),
    "acos": UnaryFunction(np.arccos, te.acos),
    "atan": UnaryFunction(np.arctan, te.atan),
    "sinh": UnaryFunction(np.sinh, te.sinh),
    "cosh": UnaryFunction(np.cosh, te.cosh),
    "asinh": UnaryFunction(np.arcsinh, te.asinh),
    "acosh": UnaryFunction(np.arccosh, te.acosh),
    "atanh": UnaryFunction(np.arctanh, te.atanh),
    "isnan": UnaryFunction(np.isnan, te.isnan, test=True),
    "isinf": UnaryFunction(np.isinf, te.isinf, test=True),
    "not": UnaryFunction(np.logical_not, lambda x: ~x, BOOLEANS),
    "bitwise_not": UnaryFunction(np.invert, lambda x: x ^ te.cast(x.dtype, _ones(x.dtype)), INTEGERS),
}


def _ones(dtype: str) -> int:
    """The number with all bits set."""
    low, high = limits(dtype)
    return -1 if low < 0 else high
