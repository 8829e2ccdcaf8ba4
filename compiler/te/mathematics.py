"""The mathematics of single elements. Functions of floats give the type that they are given."""

from __future__ import annotations

from dovetail.compiler.tir import dtypes
from dovetail.compiler.tir import expr as tir
from dovetail.compiler.tir.expr import Expr, ExprLike, Math, Op

from .errors import LanguageError, located


@located
def exp(x: ExprLike) -> Expr:
    """e to the power of a float."""
    return _of_floats("exp", x)


@located
def log(x: ExprLike) -> Expr:
    """The natural logarithm of a float."""
    return _of_floats("log", x)


@located
def log1p(x: ExprLike) -> Expr:
    """The natural logarithm of 1 + a float, exact for small ones too."""
    return _of_floats("log1p", x)


@located
def sqrt(x: ExprLike) -> Expr:
    """The square root of a float."""
    return _of_floats("sqrt", x)


@located
def erf(x: ExprLike) -> Expr:
    """The error function of a float."""
    return _of_floats("erf", x)


@located
def sin(x: ExprLike) -> Expr:
    """The sine of a float, in radians."""
    return _of_floats("sin", x)


@located
def cos(x: ExprLike) -> Expr:
    """The cosine of a float, in radians."""
    return _of_floats("cos", x)


@located
def tan(x: ExprLike) -> Expr:
    """The tangent of a float, in radians."""
    return _of_floats("tan", x)


@located
def asin(x: ExprLike) -> Expr:
    """The arc sine of a float, in radians."""
    return _of_floats("asin", x)


@located
def acos(x: ExprLike) -> Expr:
    """The arc cosine of a float, in radians."""
    return _of_floats("acos", x)


@located
def atan(x: ExprLike) -> Expr:
    """The arc tangent of a float, in radians."""
    return _of_floats("atan", x)


@located
def sinh(x: ExprLike) -> Expr:
    """The hyperbolic sine of a float."""
    return _of_floats("sinh", x)


@located
def cosh(x: ExprLike) -> Expr:
    """The hyperbolic cosine of a float."""
    return _of_floats("cosh", x)


@located
def tanh(x: ExprLike) -> Expr:
    """The hyperbolic tangent of a float."""
    return _of_floats("tanh", x)


@located
def asinh(x: ExprLike) -> Expr:
    """The inverse hyperbolic sine of a float."""
    return _of_floats("asinh", x)


@located
def acosh(x: ExprLike) -> Expr:
    """The inverse hyperbolic cosine of a float."""
    return _of_floats("acosh", x)


@located
def atanh(x: ExprLike) -> Expr:
    """The inverse hyperbolic tangent of a float."""
    return _of_floats("atanh", x)


@located
def floor(x: ExprLike) -> Expr:
    """The next integer below a float, as a float."""
    return _of_floats("floor", x)


@located
def round(x: ExprLike) -> Expr:
    """The nearest integer to a float, ties to even, as a float."""
    return _of_floats("round", x)


@located
def ceil(x: ExprLike) -> Expr:
    """The next integer above a float, as a float."""
    expr = tir.as_expr(x)
    return _of_floats("floor", expr * -1.0) * -1.0


@located
def pow(x: ExprLike, y: ExprLike) -> Expr:
    """A float to the power of another one."""
    return _of_floats("pow", x, y)


@located
def fmod(x: ExprLike, y: ExprLike) -> Expr:
    """What is left of `x` when it is divided by `y` as floats, rounded towards zero: it has the sign of `x`."""
    return _of_floats("fmod", x, y)


@located
def isnan(x: ExprLike) -> Expr:
    """True where a float is not a number."""
    expr = _float("isnan", tir.as_expr(x))
    return tir.binary(Op.NE, expr, expr)


@located
def isinf(x: ExprLike) -> Expr:
    """True where a float is an infinity."""
    return tir.equal(_of_floats("abs", x), float("inf"))


@located
def abs(x: ExprLike) -> Expr:
    """The magnitude of a number; the least integer of a type stays itself."""
    return Math("abs", (number(tir.as_expr(x), "abs"),))


def number(expr: Expr, function: str) -> Expr:
    """`expr`, if it is no boolean, else a `LanguageError`."""
    if dtypes.scalar_of(expr.dtype) == "bool":
        raise LanguageError(f"{function} takes numbers, not bool; cast it")
    return expr


def _of_floats(function: str, *args: ExprLike) -> Expr:
    known = next((arg.as_expr().dtype for arg in args if isinstance(arg, tir.Symbolic)), None)
    exprs = [tir.as_expr(arg, known) for arg in args]
    dtype = exprs[0].dtype
    for expr in exprs[1:]:
        dtype = dtypes.promoted(dtype, expr.dtype)
    return Math(function, tuple(_float(function, tir.cast(dtype, expr)) for expr in exprs))


def _float(function: str, expr: Expr) -> Expr:
    if not dtypes.is_float(expr.dtype):
        raise LanguageError(f"{function} takes floats, not {expr.dtype}; cast it")
    return expr
