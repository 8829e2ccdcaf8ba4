"""Indices, in 64 bits: most are a base and a constant step from lane to lane, which addresses need to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dovetail.compiler.tir.dtypes import bits_of, is_integer, lanes_of
from dovetail.compiler.tir.expr import Binary, Broadcast, Cast, Const, Expr, Op, Ramp, Var

from . import arithmetic
from .builder import FunctionText, Value, constant
from .scope import Scope
from .types import INDEX, vector

ADDRESS_OPS = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.FLOORDIV, Op.MOD, Op.MIN, Op.MAX})
_WIDE = "int64"


@dataclass(frozen=True)
class Index:
    """base, base + step, ... in `lanes` lanes; `base` itself is a vector where there is no such step.

    Attributes
    ----------
    step:
        None if the lanes of `base` are all there is.
    """

    base: Value
    step: int | None = 0
    lanes: int = 1

    def vector(self, f: FunctionText) -> Value:
        """All lanes."""
        if self.step is None or self.lanes == 1:
            return self.base
        base = f.splat(self.base, self.lanes)
        if self.step == 0:
            return base
        type_ = vector(INDEX, self.lanes)
        steps = ", ".join(f"{INDEX} {lane * self.step}" for lane in range(self.lanes))
        return f.op(type_, f"add nsw {base}, <{steps}>")


def index(scope: Scope, expr: Expr, value: Callable[[Expr], Value]) -> Index:
    """The value of an integer expression as an index.

    Arithmetic on variables and constants alone is taken never to overflow. Other expressions `value` computes, with
    their types' own wrapping.
    """
    f = scope.function
    lanes = lanes_of(expr.dtype)
    match expr:
        case Const(value=number):
            return Index(constant(int(number)), 0, lanes)
        case Var():
            return Index(scope.variable(expr))
        case Ramp(base=base, stride=stride):
            return Index(index(scope, base, value).base, stride, lanes)
        case Broadcast(value=inner):
            return Index(index(scope, inner, value).base, 0, lanes)
        case Cast(a=a) if is_address(expr):
            return replace(index(scope, a, value), lanes=lanes)
        case Binary(op=op, a=a, b=b) if is_address(expr):
            return combine(f, op, index(scope, a, value), index(scope, b, value), lanes)
    computed = arithmetic.convert(f, value(expr), expr.dtype, _WIDE)
    return Index(computed, 0 if lanes == 1 else None, lanes)


def is_address(expr: Expr) -> bool:
    """Whether `expr` is integer arithmetic on variables, constants and ramps of them alone."""
    match expr:
        case Const() | Var():
            return is_integer(expr.dtype)
        case Ramp(base=inner) | Broadcast(value=inner):
            return is_address(inner)
        case Cast(a=a):
            return is_integer(expr.dtype) and bits_of(expr.dtype) >= 32 and is_address(a)
        case Binary(op=op, a=a, b=b):
            return op in ADDRESS_OPS and is_address(a) and is_address(b)
    return False


def combine(f: FunctionText, op: Op, a: Index, b: Index, lanes: int) -> Index:
    """`op` of two indices; the result keeps a constant step where there is one."""
    if a.step is not None and b.step is not None:
        if op is Op.ADD:
            return Index(f.add(a.base, b.base), a.step + b.step, lanes)
        if op is Op.SUB:
            return Index(f.sub(a.base, b.base), a.step - b.step, lanes)
        if op is Op.MUL:
            for one, other in ((a, b), (b, a)):
                if other.step == 0 and (one.step == 0 or other.base.known is not None):
                    factor = int(other.base.known or 0)
                    return Index(f.mul(one.base, other.base), one.step * factor if one.step else 0, lanes)
        if a.step == b.step == 0:
            return Index(arithmetic.binary(f, op, a.base, b.base, _WIDE), 0, lanes)
    return Index(arithmetic.binary(f, op, a.vector(f), b.vector(f), _WIDE), None, lanes)
