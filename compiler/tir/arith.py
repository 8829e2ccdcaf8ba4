"""The arithmetic of one operator on numbers: what the interpreter and constant folding share."""

from __future__ import annotations

import numpy as np

from .dtypes import bits_of, is_float, is_signed, numpy_dtype, scalar_of
from .expr import Number, Op


def wrap(value: Number, dtype: str) -> Number:
    """`value` as `dtype` holds it: rounded to a float, cut to an integer, wrapped modulo 2**bits."""
    if is_float(dtype):
        return float(numpy_dtype(dtype).type(value))
    if scalar_of(dtype) == "bool":
        return bool(value)
    bits = bits_of(dtype)
    whole = int(value) & ((1 << bits) - 1)
    return whole - (1 << bits) if is_signed(dtype) and whole >> (bits - 1) else whole


def evaluate(op: Op, a: Number, b: Number, dtype: str) -> Number:
    """`op` of two numbers of `dtype`.

    Raises
    ------
    ZeroDivisionError:
        Division by zero, of integers.
    """
    match op:
        case Op.LT:
            return a < b
        case Op.LE:
            return a <= b
        case Op.EQ:
            return a == b
        case Op.NE:
            return a != b
        case Op.MIN:
            return min(a, b)
        case Op.MAX:
            return max(a, b)
        case Op.DIV:
            return float(np.divide(a, b, dtype=numpy_dtype(dtype)))
        case Op.AND:
            return wrap(int(a) & int(b), dtype)
        case Op.OR:
            return wrap(int(a) | int(b), dtype)
        case Op.XOR:
            return wrap(int(a) ^ int(b), dtype)
        case Op.SHL:
            return wrap(int(a) << (int(b) % bits_of(dtype)), dtype)
        case Op.SHR:
            return wrap(int(a) >> (int(b) % bits_of(dtype)), dtype)
        case Op.FLOORDIV:
            return wrap(int(a) // int(b), dtype)
        case Op.MOD:
            return wrap(int(a) % int(b), dtype)
        case Op.ADD:
            return wrap(a + b, dtype)
        case Op.SUB:
            return wrap(a - b, dtype)
        case Op.MUL:
            return wrap(a * b, dtype)


def round_shift(value: int, shift: int) -> int:
    """``value / 2**shift`` to the nearest integer, ties to even."""
    if shift <= 0:
        return value << -shift
    below, rest = value >> shift, value & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    return below + (rest > half or (rest == half and below & 1 == 1))
