"""Expressions to LLVM values."""

from __future__ import annotations

from dovetail.compiler.tir.dtypes import is_float, is_signed, lanes_of
from dovetail.compiler.tir.expr import (
    COMPARISONS,
    Binary,
    Broadcast,
    Cast,
    Const,
    Expr,
    Load,
    Math,
    Not,
    Ramp,
    Select,
    Var,
)
from dovetail.compiler.tir.structure import free_vars

from . import arithmetic, memory
from .builder import Value, constant
from .errors import CodegenError
from .indices import Index, index, is_address
from .scope import Scope
from .types import element_type, register_type

_INTRINSICS = {"exp": "exp", "log": "log", "sqrt": "sqrt", "floor": "floor", "round": "roundeven", "abs": "fabs"}
"""Functions that are instructions, or that LLVM calls itself."""


class Expressions:
    """Writes expressions at the current end of a scope's function."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._mask: Value | None = None

    def value(self, expr: Expr) -> Value:
        """The value of `expr`, of the LLVM type of its dtype.

        Raises
        ------
        CodegenError:
            It is of a kind that the CPU does not know.
        """
        f = self.scope.function
        match expr:
            case Const(value=number):
                return constant(number, register_type(expr.dtype))
            case Var():
                return arithmetic.convert(f, self.scope.variable(expr), "int64", expr.type)
            case Ramp():
                return arithmetic.convert(f, self.index(expr).vector(f), "int64", expr.dtype)
            case Broadcast(value=inner, lanes=lanes):
                return f.splat(self.value(inner), lanes)
            case Binary(op=op, a=a, b=b) if op in COMPARISONS and is_address(a) and is_address(b) and free_vars(expr):
                return arithmetic.binary(f, op, self.index(a).vector(f), self.index(b).vector(f), "int64")
            case Binary(op=op, a=a, b=b):
                return arithmetic.binary(f, op, self.value(a), self.value(b), a.dtype)
            case Not(a=a):
                held = self.value(a)
                return f.op(held.type, f"xor {held}, {constant(True, held.type).text}")
            case Cast(type=target, a=a):
                fits = is_float(a.dtype) and arithmetic.fits_int32(a)
                return arithmetic.convert(f, self.value(a), a.dtype, target, fits)
            case Select():
                return self._select(expr)
            case Load(buffer=buffer, indices=indices):
                at = memory.offset(self.scope, buffer, indices, self.value)
                return memory.load(self.scope, buffer, at, self._mask)
            case Math():
                return self._math(expr)
        raise CodegenError(f"a {type(expr).__name__} cannot be compiled for the CPU: {expr}")

    def index(self, expr: Expr) -> Index:
        """The value of an integer expression as an index."""
        return index(self.scope, expr, self.value)

    def _select(self, select: Select) -> Value:
        f = self.scope.function
        condition = self.value(select.condition)
        if condition.known is not None:
            return self.value(select.a if condition.known else select.b)
        lanes = max(lanes_of(select.a.dtype), lanes_of(select.b.dtype), condition.lanes)
        if select.guard and condition.lanes == 1:
            return f.choose(
                condition, lambda: f.splat(self.value(select.a), lanes), lambda: f.splat(self.value(select.b), lanes)
            )
        if select.guard:
            a = f.splat(self._where(select.a, condition), lanes)
            inverse = f.op(condition.type, f"xor {condition}, {constant(True, condition.type).text}")
            b = f.splat(self._where(select.b, inverse), lanes)
        else:
            a, b = f.splat(self.value(select.a), lanes), f.splat(self.value(select.b), lanes)
        return f.op(a.type, f"select {condition}, {a}, {b}")

    def _where(self, expr: Expr, mask: Value) -> Value:
        """`expr`, whose loads read only the lanes that `mask` and the masks around it allow."""
        f = self.scope.function
        outer = self._mask
        self._mask = mask if outer is None else f.op(mask.type, f"and {mask}, {f.splat(outer, mask.lanes).text}")
        try:
            return self.value(expr)
        finally:
            self._mask = outer

    def _math(self, call: Math) -> Value:
        f = self.scope.function
        args = [self.value(arg) for arg in call.args]
        dtype = call.args[0].dtype
        if call.function == "round_shift":
            return arithmetic.round_shift(f, args[0], args[1], dtype, call.args[1].dtype)
        if not is_float(dtype):
            if call.function == "abs" and is_signed(dtype):
                return arithmetic.magnitude(f, args[0])
            if call.function in ("abs", "floor", "round"):
                return args[0]
            raise CodegenError(f"{call.function} takes floats, not {dtype}; cast it")
        if call.function in _INTRINSICS:
            return f.intrinsic(_INTRINSICS[call.function], args)
        element = element_type(dtype)
        name = call.function + ("f" if element == "float" else "")
        lanes = max(arg.lanes for arg in args)
        args = [f.splat(arg, lanes) for arg in args]
        each = [f.call(name, element, [f.lane(arg, lane) for arg in args]) for lane in range(lanes)]
        return each[0] if len(each) == 1 else f.collect(each)
