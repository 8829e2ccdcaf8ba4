"""Expressions and regions as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from .dtypes import scalar_of
from .expr import (
    COMPARISONS,
    Binary,
    Broadcast,
    Cast,
    Const,
    Expr,
    Load,
    Math,
    Not,
    Number,
    Op,
    Ramp,
    Range,
    Select,
    Var,
)
from .stmt import Buffer, Region

_BINDING = {
    Op.OR: 5,
    Op.XOR: 6,
    Op.AND: 7,
    Op.SHL: 8,
    Op.SHR: 8,
    Op.ADD: 9,
    Op.SUB: 9,
    Op.MUL: 10,
    Op.DIV: 10,
    Op.FLOORDIV: 10,
    Op.MOD: 10,
} | dict.fromkeys(COMPARISONS, 4)
_LOGICAL = {Op.OR: 1, Op.AND: 2}
_NOT = 3
_UNARY = 11
_ATOM = 12


@runtime_checkable
class ShowsItself(Protocol):
    """An expression of a language above this one, which brings its own text, a call or an element of something."""

    def text(self, tight: bool) -> str: ...


def expr_text(expr: Expr, tight: bool = False) -> str:
    """`expr` as Python would write it, with no parentheses that precedence makes needless.

    Parameters
    ----------
    tight:
        Without spaces around operators, as within indices.
    """
    return _text(expr, tight)[0]


def number_text(value: Number) -> str:
    """A number in its shortest form; a whole float as an integer."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e7 else _shortest(value)
    return str(value)


def _shortest(value: float) -> str:
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single) if float(single) == value or value != value else repr(value)


def index_text(indices: Sequence[Expr]) -> str:
    """``[yo*8+yi][x]``; a vector of neighbours as a slice."""
    return "".join(
        f"[{_slice(index.base, index.lanes, index.stride)}]"
        if isinstance(index, Ramp)
        else f"[{expr_text(index, tight=True)}]"
        for index in indices
    )


def box_text(ranges: Sequence[Range], one_bracket: bool = False) -> str:
    """``[yo*8:yo*8+8][k]``: slices, and indices where an extent is 1; ``[yo*8:yo*8+8,k]`` in one bracket."""
    parts = [
        expr_text(part.begin, tight=True) if part.extent == Const(1) else _slice(part.begin, part.extent, part.step)
        for part in ranges
    ]
    if not parts:
        return ""
    return f"[{(',' if one_bracket else '][').join(parts)}]"


def region_text(region: Region, one_bracket: bool = False) -> str:
    """A box of a buffer, less its last axes where it has the whole of them."""
    ranges = list(region.ranges)
    while ranges and ranges[-1] == Range(Const(0), region.buffer.shape[len(ranges) - 1]):
        ranges.pop()
    return region.buffer.name + box_text(ranges, one_bracket)


def buffer_text(buffer: Buffer) -> str:
    """A buffer as its declaration shows it: ``AL[8][8]``."""
    copies = f" ({buffer.copies} copies)" if buffer.copies > 1 else ""
    return buffer.name + index_text(buffer.shape) + copies


def _slice(begin: Expr, extent: Expr | int, step: int = 1) -> str:
    length = extent if isinstance(extent, int) else int(extent.value) if isinstance(extent, Const) else None
    stride = f":{step}" if step != 1 else ""
    first = expr_text(begin, tight=True)
    if length is None:
        assert isinstance(extent, Expr)
        reach = extent if step == 1 else extent * step
        last = expr_text(reach if begin == Const(0) else Binary(Op.ADD, begin, reach), tight=True)
    else:
        last = expr_text(_plus(begin, length * step), tight=True)
    return f"{first}:{last}{stride}"


def _plus(expr: Expr, number: int) -> Expr:
    """expr + number, with a number at its end absorbed."""
    if isinstance(expr, Const):
        return Const(int(expr.value) + number)
    if isinstance(expr, Binary) and expr.op in (Op.ADD, Op.SUB) and isinstance(expr.b, Const):
        last = int(expr.b.value) if expr.op is Op.ADD else -int(expr.b.value)
        return _plus(expr.a, last + number) if last + number else expr.a
    return Binary(Op.ADD, expr, Const(number, expr.dtype))


def _call(name: str, args: Sequence[Expr], tight: bool) -> tuple[str, int]:
    return f"{name}({(',' if tight else ', ').join(expr_text(arg, tight) for arg in args)})", _ATOM


def _text(expr: Expr, tight: bool) -> tuple[str, int]:
    match expr:
        case Const(value):
            text = number_text(value)
            return text, _UNARY if text.startswith("-") else _ATOM
        case Var(name):
            return name, _ATOM
        case Load(buffer, indices):
            return buffer.name + index_text(indices), _ATOM
        case Not(a):
            return f"not {_enclosed(a, tight, _NOT)}", _NOT
        case Cast(dtype, a):
            return _call(dtype, (a,), tight)
        case Select(condition, a, b, guard):
            return _call("if_then_else" if guard else "select", (condition, a, b), tight)
        case Math(function, args):
            return _call(function, args, tight)
        case Ramp(base, stride, lanes):
            return _call("ramp", (base, Const(stride), Const(lanes)), tight)
        case Broadcast(value, lanes):
            return _call("broadcast", (value, Const(lanes)), tight)
        case Binary():
            return _binary(expr, tight)
    if isinstance(expr, ShowsItself):
        return expr.text(tight), _ATOM
    raise TypeError(f"no text for {type(expr).__name__}")


def _binary(expr: Binary, tight: bool) -> tuple[str, int]:
    op, a, b = expr.op, expr.a, expr.b
    if op in (Op.MIN, Op.MAX):
        return _call(op.value, (a, b), tight)
    if op is Op.SUB and isinstance(a, Const) and a.value == 0:
        return f"-{_enclosed(b, tight, _UNARY)}", _UNARY
    sign = op.value
    if op is Op.ADD and isinstance(b, Const) and b.value < 0:
        sign, b = "-", Const(-b.value, b.type)
    logical = op in _LOGICAL and scalar_of(a.dtype) == "bool"
    level = _LOGICAL[op] if logical else _BINDING[op]
    if logical:
        sign = op.name.lower()
    # Comparisons do not chain here, so neither side may be one without parentheses.
    left = _enclosed(a, tight, level + (op in COMPARISONS))
    right = _enclosed(b, tight, level + 1)
    joint = sign if tight and not logical else f" {sign} "
    return f"{left}{joint}{right}", level


def _enclosed(expr: Expr, tight: bool, level: int) -> str:
    """`expr` in parentheses if it binds more loosely than `level`."""
    text, own = _text(expr, tight)
    return text if own >= level else f"({text})"
