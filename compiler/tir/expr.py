"""Expressions of tensor expressions and loop programs.

All are frozen. ``==`` is structural equality and gives a `bool`; the comparison that is itself an expression is
`equal`. Variables and buffers are equal only to themselves, whatever their names; `tir.structure.structural_equal`
compares programs up to the choice of variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Union

from .dtypes import INDEX, TypeMismatch, check_dtype, is_float, is_integer, lanes_of, promoted, vector_of

if TYPE_CHECKING:
    from .stmt import Buffer

Number = int | float | bool
ExprLike = Union["Symbolic", int, float, bool]


class Op(Enum):
    """Binary operators, by the sign that prints them.

    Integers wrap modulo 2**bits. `FLOORDIV` and `MOD` round towards minus infinity, as Python's do. `SHR` is
    arithmetic for signed types. `AND`, `OR` and `XOR` work on the bits of integers and on booleans.
    """

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    FLOORDIV = "//"
    MOD = "%"
    MIN = "min"
    MAX = "max"
    SHL = "<<"
    SHR = ">>"
    AND = "&"
    OR = "|"
    XOR = "^"
    LT = "<"
    LE = "<="
    EQ = "=="
    NE = "!="


COMPARISONS = frozenset({Op.LT, Op.LE, Op.EQ, Op.NE})
DIVISIONS = frozenset({Op.DIV, Op.FLOORDIV, Op.MOD})
INTEGER_ONLY = frozenset({Op.FLOORDIV, Op.MOD, Op.SHL, Op.SHR, Op.XOR})


class Symbolic:
    """What stands for an expression and takes its operators.

    Not abstract by `abc`: `isinstance`, which every pass is made of, takes several times as long with such classes.
    """

    def as_expr(self) -> Expr:
        """The expression."""
        raise NotImplementedError

    def __add__(self, other: ExprLike) -> Expr:
        return binary(Op.ADD, self, other)

    def __radd__(self, other: ExprLike) -> Expr:
        return binary(Op.ADD, other, self)

    def __sub__(self, other: ExprLike) -> Expr:
        return binary(Op.SUB, self, other)

    def __rsub__(self, other: ExprLike) -> Expr:
        return binary(Op.SUB, other, self)

    def __mul__(self, other: ExprLike) -> Expr:
        return binary(Op.MUL, self, other)

    def __rmul__(self, other: ExprLike) -> Expr:
        return binary(Op.MUL, other, self)

    def __truediv__(self, other: ExprLike) -> Expr:
        return binary(Op.DIV, self, other)

    def __rtruediv__(self, other: ExprLike) -> Expr:
        return binary(Op.DIV, other, self)

    def __floordiv__(self, other: ExprLike) -> Expr:
        return binary(Op.FLOORDIV, self, other)

    def __rfloordiv__(self, other: ExprLike) -> Expr:
        return binary(Op.FLOORDIV, other, self)

    def __mod__(self, other: ExprLike) -> Expr:
        return binary(Op.MOD, self, other)

    def __rmod__(self, other: ExprLike) -> Expr:
        return binary(Op.MOD, other, self)

    def __lshift__(self, other: ExprLike) -> Expr:
        return binary(Op.SHL, self, other)

    def __rshift__(self, other: ExprLike) -> Expr:
        return binary(Op.SHR, self, other)

    def __and__(self, other: ExprLike) -> Expr:
        return binary(Op.AND, self, other)

    def __or__(self, other: ExprLike) -> Expr:
        return binary(Op.OR, self, other)

    def __xor__(self, other: ExprLike) -> Expr:
        return binary(Op.XOR, self, other)

    def __neg__(self) -> Expr:
        expr = self.as_expr()
        return binary(Op.SUB, Const(0.0 if is_float(expr.dtype) else 0, expr.dtype), expr)

    def __invert__(self) -> Expr:
        return Not(self.as_expr())

    def __lt__(self, other: ExprLike) -> Expr:
        return binary(Op.LT, self, other)

    def __le__(self, other: ExprLike) -> Expr:
        return binary(Op.LE, self, other)

    def __gt__(self, other: ExprLike) -> Expr:
        return binary(Op.LT, other, self)

    def __ge__(self, other: ExprLike) -> Expr:
        return binary(Op.LE, other, self)

    def astype(self, dtype: str) -> Expr:
        return cast(dtype, self)


@dataclass(frozen=True, eq=False)
class Expr(Symbolic):
    """Anything that has a value; not abstract by `abc` for the reason that `Symbolic` gives.

    Attributes
    ----------
    dtype:
        Its element type; see `dtypes`.
    """

    @property
    def dtype(self) -> str:
        raise NotImplementedError

    def as_expr(self) -> Expr:
        return self

    def __bool__(self) -> bool:
        raise TypeMismatch(f"the value of {self} is not known yet; use select or if_then_else instead of if")

    def __str__(self) -> str:
        from .printer import show

        return show(self)


@dataclass(frozen=True, repr=False)
class Const(Expr):
    """A number; a vector dtype means that number in every lane."""

    value: Number
    type: str = INDEX

    @property
    def dtype(self) -> str:
        return self.type


@dataclass(frozen=True, eq=False, repr=False)
class Var(Expr):
    """A scalar variable: of a loop, or a symbolic size."""

    name: str
    type: str = INDEX

    @property
    def dtype(self) -> str:
        return self.type


@dataclass(frozen=True, repr=False)
class Binary(Expr):
    """`op` applied to operands of one dtype; comparisons give bool. Build with `binary`, which promotes."""

    op: Op
    a: Expr
    b: Expr

    @property
    def dtype(self) -> str:
        return vector_of("bool", lanes_of(self.a.dtype)) if self.op in COMPARISONS else self.a.dtype


@dataclass(frozen=True, repr=False)
class Not(Expr):
    """The other boolean."""

    a: Expr

    @property
    def dtype(self) -> str:
        return self.a.dtype


@dataclass(frozen=True, repr=False)
class Cast(Expr):
    """Conversion as C does it: integers wrap, floats are cut towards zero."""

    type: str
    a: Expr

    @property
    def dtype(self) -> str:
        return self.type


@dataclass(frozen=True, repr=False)
class Select(Expr):
    """`a` where `condition` holds, else `b`.

    Attributes
    ----------
    guard:
        Only the chosen one is evaluated: the other may read beyond its tensor. Without it both may be.
    """

    condition: Expr
    a: Expr
    b: Expr
    guard: bool = False

    @property
    def dtype(self) -> str:
        return self.a.dtype


@dataclass(frozen=True, repr=False)
class Load(Expr):
    """An element of a buffer; several, where an index is a `Ramp`."""

    buffer: Buffer
    indices: tuple[Expr, ...]

    @property
    def dtype(self) -> str:
        lanes = max((lanes_of(index.dtype) for index in self.indices), default=1)
        return vector_of(self.buffer.dtype, lanes)


@dataclass(frozen=True, repr=False)
class Math(Expr):
    """A function of numbers: see `FUNCTIONS`."""

    function: str
    args: tuple[Expr, ...]

    @property
    def dtype(self) -> str:
        return self.args[0].dtype


_ONE_FLOAT = (
    *("exp", "log", "log1p", "sqrt", "erf", "floor", "round", "sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
FUNCTIONS = dict.fromkeys(_ONE_FLOAT, 1) | {"abs": 1, "pow": 2, "fmod": 2, "round_shift": 2}
"""Functions and how many arguments they take. ``round`` is to the nearest, ties to even; ``fmod`` has the sign of its
first argument; ``round_shift(a, s)`` is ``a / 2**s`` for integers, to the nearest, ties to even, exact whatever their
sizes."""


@dataclass(frozen=True, repr=False)
class Ramp(Expr):
    """The vector base, base + stride, ... of `lanes` elements."""

    base: Expr
    stride: int
    lanes: int

    @property
    def dtype(self) -> str:
        return vector_of(self.base.dtype, self.lanes)


@dataclass(frozen=True, repr=False)
class Broadcast(Expr):
    """A scalar in every one of `lanes` lanes."""

    value: Expr
    lanes: int

    @property
    def dtype(self) -> str:
        return vector_of(self.value.dtype, self.lanes)


@dataclass(frozen=True, repr=False)
class Range:
    """`extent` integers from `begin`, `step` apart."""

    begin: Expr
    extent: Expr
    step: int = field(default=1)


def const(value: Number, dtype: str | None = None) -> Const:
    """A number as an expression: int32 (int64 if it needs to be), float32 or bool, unless `dtype` is given."""
    if dtype is None:
        if isinstance(value, bool):
            dtype = "bool"
        elif isinstance(value, float):
            dtype = "float32"
        else:
            dtype = INDEX if -(2**31) <= value < 2**31 else "int64"
    if is_float(dtype):
        return Const(float(value), dtype)
    return Const(bool(value) if dtype == "bool" else int(value), dtype)


def as_expr(value: ExprLike, like: str | None = None) -> Expr:
    """`value` itself, or a number as a constant of dtype `like`; a float never becomes an integer.

    Raises
    ------
    TypeMismatch:
        It is neither an expression nor a number, or an integer that `like` cannot hold.
    """
    if isinstance(value, Symbolic):
        return value.as_expr()
    if hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, int | float):
        raise TypeMismatch(f"expected an expression or a number, not {value!r}")
    if like is None or isinstance(value, bool) or (isinstance(value, float) and not is_float(like)):
        return const(value)
    from .dtypes import limits

    if is_integer(like) and not limits(like)[0] <= value <= limits(like)[1]:
        return const(value)
    return const(value, like if like != "bool" else None)


def binary(op: Op, a: ExprLike, b: ExprLike) -> Expr:
    """`op` of two operands, cast to the dtype in which they meet; constants are folded.

    Raises
    ------
    TypeMismatch:
        The operator cannot take these types.
    """
    left = as_expr(a, b.as_expr().dtype if isinstance(b, Symbolic) else None)
    right = as_expr(b, left.dtype)
    dtype = promoted(left.dtype, right.dtype)
    if op in INTEGER_ONLY and not is_integer(dtype):
        raise TypeMismatch(f"{op.value} takes integers, not {dtype}")
    if op in (Op.AND, Op.OR) and is_float(dtype):
        raise TypeMismatch(f"{op.value} takes booleans or integers, not {dtype}")
    if op is Op.DIV and not is_float(dtype):
        raise TypeMismatch(f"/ takes floats, not {dtype}; use // to divide integers")
    left, right = cast(dtype, left), cast(dtype, right)
    if isinstance(left, Const) and isinstance(right, Const) and not (op in DIVISIONS and right.value == 0):
        from .arith import evaluate

        value = evaluate(op, left.value, right.value, dtype)
        return Const(value, vector_of("bool", lanes_of(dtype)) if op in COMPARISONS else dtype)
    return Binary(op, left, right)


def cast(dtype: str, value: ExprLike) -> Expr:
    """`value` as `dtype`; itself if it has that type already."""
    check_dtype(dtype)
    expr = as_expr(value, dtype)
    if expr.dtype == dtype:
        return expr
    if isinstance(expr, Const) and (is_float(dtype) or (is_integer(dtype) and is_integer(expr.dtype))):
        from .arith import wrap

        return Const(wrap(expr.value, dtype), dtype)
    return Cast(dtype, expr)


def minimum(a: ExprLike, b: ExprLike) -> Expr:
    return binary(Op.MIN, a, b)


def maximum(a: ExprLike, b: ExprLike) -> Expr:
    return binary(Op.MAX, a, b)


def equal(a: ExprLike, b: ExprLike) -> Expr:
    return binary(Op.EQ, a, b)


def all_of(conditions: Sequence[Expr]) -> Expr:
    """True where every condition holds."""
    result: Expr = Const(True, "bool")
    for place, condition in enumerate(conditions):
        result = condition if place == 0 else binary(Op.AND, result, condition)
    return result
