"""Interval analysis: between which integers the value of an expression lies."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .affine import Affine, affine, is_index
from .arith import round_shift
from .dtypes import bits_of, is_float, is_integer, limits, scalar_of
from .expr import Binary, Broadcast, Cast, Const, Expr, Math, Op, Ramp, Select, Var

Bound = int | float
"""An integer, or an infinity."""

Bounds = Mapping[Var, tuple[Expr | int, Expr | int]]
"""Lowest and highest value of variables; expressions may depend on the variables before, such as the loops around."""

Interval = tuple[Bound, Bound]

UNKNOWN: Interval = (-math.inf, math.inf)
_MAX_EXPANSIONS = 6


def interval(expr: Expr, bounds: Bounds) -> Interval:
    """The lowest and the highest value that `expr` may have; infinite where nothing is known.

    Exact for sums of variables that do not depend on each other; else it may be too wide. Variables without bounds may
    be anything. Arithmetic on variables and constants is taken not to overflow; other arithmetic wraps.
    """
    if is_index(expr):
        whole = affine(expr)
        return extreme(whole, bounds, upper=False), extreme(whole, bounds, upper=True)
    if is_float(expr.dtype):
        return UNKNOWN
    if scalar_of(expr.dtype) == "bool":
        return (0, 1)
    low, high = _data(expr, bounds)
    least, most = limits(expr.dtype)
    return (low, high) if least <= low and high <= most else (least, most)


def extreme(whole: Affine, bounds: Bounds, upper: bool, expansions: int = 0) -> Bound:
    """The highest, or the lowest, value of a sum."""
    inner = _innermost(whole, bounds)
    if expansions < _MAX_EXPANSIONS:
        for term, by in whole.terms.items():
            if isinstance(term, Binary) and term.op in (Op.MIN, Op.MAX):
                rest = whole.without(term)
                either = [
                    extreme(rest + affine(part).scaled(by), bounds, upper, expansions + 1) for part in (term.a, term.b)
                ]
                return min(either) if (term.op is Op.MIN) == (by > 0) else max(either)
            if isinstance(term, Binary) and term.op is Op.FLOORDIV and (division := _by_constant(term)):
                # by * (a // d) is between by / d * (a - d + 1) and by / d * a, which keeps what a has in common with
                # the other terms.
                numerator, divisor = division
                if by % divisor == 0 and len(whole.terms) > 1:
                    slack = 0 if upper == (by > 0) else 1 - divisor
                    near = whole.without(term) + numerator.plus(slack).scaled(by // divisor)
                    choices = (
                        _apart(whole, bounds, upper, inner, expansions),
                        extreme(near, bounds, upper, expansions + 1),
                    )
                    return min(choices) if upper else max(choices)
    return _apart(whole, bounds, upper, inner, expansions)


def _apart(whole: Affine, bounds: Bounds, upper: bool, inner: Var | None, expansions: int) -> Bound:
    """The extreme of a sum whose terms are taken to be independent but for the bounds of its variables."""
    if inner is not None:
        by = whole.terms[inner]
        limit = bounds[inner][upper == (by > 0)]
        value = affine(limit) if isinstance(limit, Expr) else Affine({}, limit)
        return extreme(whole.without(inner) + value.scaled(by), bounds, upper, expansions)
    result: Bound = whole.constant
    for term, by in whole.terms.items():
        pair = bounds.get(term, UNKNOWN) if isinstance(term, Var) else _term(term, bounds)
        end = pair[upper == (by > 0)]
        assert not isinstance(end, Expr)
        result += by * end
    return result


def _innermost(whole: Affine, bounds: Bounds) -> Var | None:
    """The last variable in the order of `bounds` whose bounds depend on others."""
    dependent = [
        var
        for var in whole.terms
        if isinstance(var, Var) and var in bounds and any(isinstance(limit, Expr) for limit in bounds[var])
    ]
    if len(dependent) < 2:
        return dependent[0] if dependent else None
    places = {var: place for place, var in enumerate(bounds)}
    return max(dependent, key=places.__getitem__)


def _by_constant(term: Binary) -> tuple[Affine, int] | None:
    if isinstance(term.b, Const) and term.b.value > 0:
        return affine(term.a), int(term.b.value)
    return None


def _term(term: Expr, bounds: Bounds) -> Interval:
    """The interval of a term that is neither a variable nor a sum."""
    if not isinstance(term, Binary) or not is_index(term):
        return interval(term, bounds)
    return _combined(term.op, interval(term.a, bounds), interval(term.b, bounds))


def _data(expr: Expr, bounds: Bounds) -> Interval:
    """The interval of an integer that is not computed from variables alone, before it wraps."""
    everything = limits(expr.dtype)
    match expr:
        case Const(value):
            return int(value), int(value)
        case Binary(Op.SHL | Op.SHR as op, a, b):
            least, most = interval(b, bounds)
            if least != most:
                return everything
            scale = 2 ** (int(least) % bits_of(expr.dtype))
            return _combined(Op.MUL if op is Op.SHL else Op.FLOORDIV, interval(a, bounds), (scale, scale))
        case Binary(op, a, b):
            return _combined(op, interval(a, bounds), interval(b, bounds), everything)
        case Cast(_, a) if is_integer(a.dtype) or scalar_of(a.dtype) == "bool":
            return interval(a, bounds)
        case Select(_, a, b):
            return _hull(interval(a, bounds), interval(b, bounds))
        case Broadcast(value, _):
            return interval(value, bounds)
        case Ramp(base, stride, lanes):
            low, high = interval(base, bounds)
            reach = stride * (lanes - 1)
            return low + min(reach, 0), high + max(reach, 0)
        case Math("abs", (a,)):
            low, high = interval(a, bounds)
            return (0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case Math("round_shift", (a, Const(shift))) if shift >= 0:
            low, high = interval(a, bounds)
            if math.isinf(low) or math.isinf(high):
                return everything
            return round_shift(int(low), int(shift)), round_shift(int(high), int(shift))
    return everything


def _combined(op: Op, a: Interval, b: Interval, otherwise: Interval = UNKNOWN) -> Interval:
    """The interval of `op` applied to values of two intervals."""
    match op:
        case Op.ADD:
            return a[0] + b[0], a[1] + b[1]
        case Op.SUB:
            return a[0] - b[1], a[1] - b[0]
        case Op.MUL:
            products = [_product(x, y) for x in a for y in b]
            return min(products), max(products)
        case Op.MIN:
            return min(a[0], b[0]), min(a[1], b[1])
        case Op.MAX:
            return max(a[0], b[0]), max(a[1], b[1])
        case Op.FLOORDIV if b[0] > 0:
            return min(_quotient(a[0], y) for y in b), max(_quotient(a[1], y) for y in b)
        case Op.MOD if b[0] > 0:
            if b[0] == b[1] and math.isfinite(a[0]) and math.isfinite(a[1]) and a[0] // b[0] == a[1] // b[0]:
                return a[0] % b[0], a[1] % b[0]
            return 0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1
        case Op.AND if a[0] >= 0 and b[0] >= 0:
            return 0, min(a[1], b[1])
    return otherwise


def _product(x: Bound, y: Bound) -> Bound:
    return 0 if x == 0 or y == 0 else x * y


def _quotient(x: Bound, y: Bound) -> Bound:
    if math.isinf(y):
        return 0 if x >= 0 else -1
    return x if math.isinf(x) else x // y


def _hull(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])
