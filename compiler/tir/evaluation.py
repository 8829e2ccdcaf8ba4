"""Expressions as functions of an environment, for the interpreter."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from . import arith
from .dtypes import bits_of, is_float, lanes_of, limits, numpy_dtype, scalar_of
from .expr import (
    Binary,
    Broadcast,
    Cast,
    Const,
    Expr,
    Load,
    Math,
    Not,
    Op,
    Ramp,
    Select,
    Var,
)
from .memory import InterpreterError, Memory, broadcast
from .stmt import Buffer

Environment = dict[Any, Any]
"""The values of variables and the memories of buffers."""

Evaluator = Callable[[Environment], Any]
"""Gives a Python number, or an array with an element for each lane of a vector."""

_PYTHON: dict[Op, Callable[[Any, Any], Any]] = {
    Op.ADD: operator.add,
    Op.SUB: operator.sub,
    Op.MUL: operator.mul,
    Op.FLOORDIV: operator.floordiv,
    Op.MOD: operator.mod,
    Op.MIN: min,
    Op.MAX: max,
    Op.AND: operator.and_,
    Op.OR: operator.or_,
    Op.XOR: operator.xor,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.SHR: operator.rshift,
    Op.SHL: operator.lshift,
}
_NUMPY: dict[Op, Callable[[Any, Any], Any]] = _PYTHON | {Op.DIV: np.divide, Op.MIN: np.minimum, Op.MAX: np.maximum}
_WRAPPING = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.SHL, Op.FLOORDIV})
_SHIFTS = frozenset({Op.SHL, Op.SHR})

_FLOAT_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "floor": np.floor,
    "round": np.rint,
    "abs": np.abs,
    "pow": np.power,
    "fmod": np.fmod,
}


def evaluator(expr: Expr) -> Evaluator:
    """The function that gives the value of `expr`.

    It raises `InterpreterError` for a read outside of a buffer, of what has not been written, and a division by zero.
    """
    match expr:
        case Const(value, dtype):
            constant = broadcast(value, dtype)
            return lambda env: constant
        case Var():
            return lambda env: env[expr]
        case Load(buffer, indices):
            return _load(buffer, [evaluator(index) for index in indices], lanes_of(expr.dtype) > 1)
        case Binary():
            return _binary(expr)
        case Not(a):
            of = evaluator(a)
            return (lambda env: ~of(env)) if lanes_of(expr.dtype) > 1 else (lambda env: not of(env))
        case Cast(dtype, a):
            return _cast(evaluator(a), dtype)
        case Select():
            return _select(expr)
        case Math():
            return _math(expr)
        case Ramp(base, stride, lanes):
            begin, steps = evaluator(base), stride * np.arange(lanes, dtype=numpy_dtype(expr.dtype))
            return lambda env: begin(env) + steps
        case Broadcast(value, _):
            of, dtype = evaluator(value), expr.dtype
            return lambda env: broadcast(of(env), dtype)
    raise InterpreterError(f"{type(expr).__name__} is no expression of a loop program: {expr}")


def memory_of(buffer: Buffer, env: Environment) -> Memory:
    """Raises `InterpreterError` if there is none."""
    memory = env.get(buffer)
    if memory is None:
        raise InterpreterError(f"{buffer.name} is used where it is not allocated")
    return cast(Memory, memory)


def _load(buffer: Buffer, indices: list[Evaluator], several: bool) -> Evaluator:
    def load(env: Environment) -> Any:
        memory, place = memory_of(buffer, env), tuple([index(env) for index in indices])
        return memory.gather(place) if several else memory.element(place)

    return load


def _binary(expr: Binary) -> Evaluator:
    op, dtype = expr.op, expr.a.dtype
    a, b = evaluator(expr.a), evaluator(expr.b)
    if lanes_of(dtype) > 1:
        apply = _NUMPY[op]
        if op in _SHIFTS:
            bits = bits_of(dtype)
            return lambda env: apply(a(env), b(env) % bits)
        if op in (Op.FLOORDIV, Op.MOD):

            def divide(env: Environment) -> Any:
                divisor = b(env)
                if not np.all(divisor):
                    raise InterpreterError(f"division by zero in {expr}")
                return apply(a(env), divisor)

            return divide
        return lambda env: apply(a(env), b(env))
    if op in (Op.FLOORDIV, Op.MOD) or is_float(dtype) or op in _SHIFTS:

        def evaluate(env: Environment) -> Any:
            try:
                return arith.evaluate(op, a(env), b(env), dtype)
            except ZeroDivisionError:
                raise InterpreterError(f"division by zero in {expr}") from None

        return evaluate
    operate = _PYTHON[op]
    if op not in _WRAPPING or scalar_of(dtype) == "bool":
        return lambda env: operate(a(env), b(env))
    low, high = limits(dtype)
    span = high - low + 1

    def wrapped(env: Environment) -> Any:
        value = operate(a(env), b(env))
        return value if low <= value <= high else (value - low) % span + low

    return wrapped


def _cast(of: Evaluator, dtype: str) -> Evaluator:
    if lanes_of(dtype) == 1:

        def convert(env: Environment) -> Any:
            value = of(env)
            if isinstance(value, float) and not math.isfinite(value) and not is_float(dtype):
                raise InterpreterError(f"{value} has no value as {dtype}")
            return arith.wrap(value, dtype)

        return convert
    target = numpy_dtype(dtype)
    return lambda env: broadcast(of(env), dtype).astype(target)


def _select(expr: Select) -> Evaluator:
    condition, a, b = evaluator(expr.condition), evaluator(expr.a), evaluator(expr.b)
    guard = expr.guard

    def select(env: Environment) -> Any:
        chosen = condition(env)
        if isinstance(chosen, np.ndarray):
            if guard and (chosen.all() or not chosen.any()):
                return a(env) if chosen.all() else b(env)
            return np.where(chosen, a(env), b(env))
        if guard:
            return a(env) if chosen else b(env)
        both = a(env), b(env)
        return both[0] if chosen else both[1]

    return select


def _math(expr: Math) -> Evaluator:
    dtype, args = expr.dtype, [evaluator(arg) for arg in expr.args]
    target, lanes = numpy_dtype(dtype), lanes_of(dtype)
    first = args[0]
    if expr.function == "round_shift":
        shift = args[1]

        def round_shift(value: Any, by: Any) -> Any:
            return arith.wrap(arith.round_shift(int(value), int(by)), dtype)

        if lanes == 1:
            return lambda env: round_shift(first(env), shift(env))
        return lambda env: np.array(list(map(round_shift, first(env), shift(env))), target)
    function = _FLOAT_FUNCTIONS[expr.function]
    if lanes > 1:
        return lambda env: function(*(arg(env) for arg in args)).astype(target)
    if is_float(dtype):
        return lambda env: float(target.type(function(*(target.type(arg(env)) for arg in args))))
    return lambda env: arith.wrap(int(function(first(env))), dtype)
