"""Tensor expressions: what a tensor's elements are, without saying how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any

from dovetail.compiler.tir import dtypes
from dovetail.compiler.tir import expr as tir
from dovetail.compiler.tir.dtypes import INDEX, TypeMismatch
from dovetail.compiler.tir.expr import Const, Expr, ExprLike, Symbolic, Var
from dovetail.compiler.tir.simplify import linear

from .caller import assigned_name, location_of, user_location
from .errors import LanguageError
from .tensor import Axis, AxisKind, ComputeOp, Operation, PlaceholderOp, Reduce, Tensor, TensorRead
from .walk import subexpressions, tensors_of, unguarded_reads

THREAD_TAGS = (*(f"{level}.{axis}" for level in ("blockIdx", "threadIdx") for axis in "xyz"), "vthread")


def var(name: str, dtype: str = INDEX) -> Var:
    """A symbolic size, which the shapes of the arrays that the caller gives determine.

    Raises
    ------
    LanguageError:
        `dtype` is not a type of integers.
    """
    _known_dtype(dtype)
    if not dtypes.is_integer(dtype):
        raise LanguageError(f"a size is an integer, not {dtype}; use {INDEX}")
    return Var(name, dtype)


def placeholder(shape: Sequence[ExprLike], dtype: str = "float32", name: str | None = None) -> Tensor:
    """A tensor that the caller gives.

    Parameters
    ----------
    shape:
        Extents: positive numbers, or symbolic sizes from `var`.
    name:
        By default the variable to which the result is assigned.

    Raises
    ------
    LanguageError:
        No such dtype, or an extent that is none.
    """
    name = name or assigned_name("placeholder", "T")
    return Tensor(PlaceholderOp(name, _shape(shape, name), _known_dtype(dtype)))


def reduce_axis(bounds: tuple[ExprLike, ExprLike], name: str | None = None) -> Axis:
    """An axis over begin, ... end - 1 for `sum`, `max` and `min` to combine.

    Parameters
    ----------
    bounds:
        (begin, end); either may be symbolic.
    name:
        By default the variable to which the result is assigned.

    Raises
    ------
    LanguageError:
        The bounds are not integers, or there is nothing between them.
    """
    name = name or assigned_name("reduce_axis", "k")
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise LanguageError(f"reduce axis {name} needs (begin, end), not {bounds!r}")
    begin, end = (_index(bound, f"a bound of reduce axis {name}") for bound in bounds)
    extent = end if begin == Const(0) else end - begin
    if isinstance(extent, Const) and extent.value < 1:
        raise LanguageError(f"reduce axis {name} is empty: ({begin}, {end})")
    return Axis(Var(name), extent, AxisKind.REDUCE, begin)


def thread_axis(tag: str, extent: int | None = None, name: str | None = None) -> Axis:
    """An axis of threads, to which `bind` ties loops.

    Parameters
    ----------
    tag:
        ``blockIdx.x``, ``threadIdx.y`` and so on, or ``vthread`` for virtual threads of one instruction stream.
    extent:
        Number of threads; by default that of the loop.

    Raises
    ------
    LanguageError:
        No such tag, or an extent below 1.
    """
    if tag not in THREAD_TAGS:
        raise LanguageError(f"no thread axis {tag!r}; use one of {', '.join(THREAD_TAGS)}")
    if extent is not None and extent < 1:
        raise LanguageError(f"thread axis {tag} needs an extent of at least 1, not {extent}")
    size = None if extent is None else Const(extent)
    return Axis(Var(name or tag.replace(".", "_")), size, AxisKind.THREAD, thread=tag)


def compute(shape: Sequence[ExprLike], fn: Callable[..., ExprLike], name: str | None = None) -> Tensor:
    """The tensor whose element at i, j, ... is ``fn(i, j, ...)``.

    Parameters
    ----------
    shape:
        Extents: positive numbers, or symbolic sizes from `var`.
    fn:
        Called once, with a variable an axis; its parameters name the axes, ``*ix`` takes all that are left.
    name:
        By default the variable to which the result is assigned.

    Raises
    ------
    LanguageError:
        `fn` takes another number of indices, or what it returns has no meaning: mixed dtypes, a reduction inside of
        another expression, a reduce axis that nothing reduces over, an unguarded read that leaves its tensor.
    """
    where = user_location()
    name = name or assigned_name("compute", "T")
    if not callable(fn):
        raise LanguageError(f"{name}: a function of its indices is needed, such as lambda i: A[i], not {fn!r}")
    extents = _shape(shape, name)
    axes = tuple(
        Axis(Var(label), extent, AxisKind.DATA)
        for label, extent in zip(_axis_names(fn, len(extents), name), extents, strict=True)
    )
    try:
        body = tir.as_expr(fn(*(axis.var for axis in axes)))
    except TypeMismatch as error:
        raise LanguageError(f"{name}: {error}", location_of(error.__traceback__)) from None
    op = ComputeOp(name, axes, body, where)
    _check_body(op)
    _check_reads(op)
    return Tensor(op)


def read(tensor: Tensor, indices: Sequence[ExprLike]) -> Expr:
    """The element of `tensor` at `indices`; ``tensor[i, j]`` calls it.

    Raises
    ------
    LanguageError:
        Another number of indices than the tensor has axes, an index that is no integer, or a constant one that is
        outside.
    """
    if len(indices) != tensor.ndim:
        extents = ", ".join(map(str, tensor.shape))
        raise LanguageError(
            f"{tensor.name} has {_count(tensor.ndim, 'axis', 'axes')}, ({extents}), but {len(indices)} "
            f"{'index is' if len(indices) == 1 else 'indices are'} given"
        )
    exprs = []
    for place, (index, extent) in enumerate(zip(indices, tensor.shape, strict=True)):
        expr = _index(index, f"index {place} of {tensor.name}")
        outside = isinstance(expr, Const) and (
            expr.value < 0 or (isinstance(extent, Const) and expr.value >= extent.value)
        )
        if outside:
            raise LanguageError(f"index {place} of {tensor.name} is {expr}, outside of its extent {extent}")
        exprs.append(expr)
    return TensorRead(tensor, tuple(exprs))


def _shape(shape: Sequence[ExprLike], name: str) -> tuple[Expr, ...]:
    if isinstance(shape, int | Symbolic):
        shape = (shape,)
    if not isinstance(shape, Sequence):
        raise LanguageError(f"the shape of {name} is a sequence of extents, not {shape!r}")
    extents = tuple(_index(extent, f"an extent of {name}") for extent in shape)
    for extent in extents:
        if isinstance(extent, Const) and extent.value < 1:
            raise LanguageError(f"an extent of {name} is {extent}; it must be at least 1")
    return extents


def _index(value: Any, what: str) -> Expr:
    try:
        expr = tir.as_expr(value)
    except TypeMismatch as error:
        raise LanguageError(f"{what}: {error}") from None
    if not dtypes.is_integer(expr.dtype):
        raise LanguageError(f"{what} must be an integer, not {expr} of {expr.dtype}; cast it to {INDEX}")
    return expr if expr.dtype == "int64" else tir.cast(INDEX, expr)


def _known_dtype(dtype: str) -> str:
    try:
        dtypes.check_scalar(dtype)
    except TypeMismatch as error:
        raise LanguageError(str(error)) from None
    return dtype


def _axis_names(fn: Callable[..., ExprLike], count: int, tensor: str) -> list[str]:
    names: list[str] = []
    for parameter in signature(fn).parameters.values():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            left = max(0, count - len(names))
            names += [parameter.name if left == 1 else f"{parameter.name}{place}" for place in range(left)]
        elif parameter.kind is not Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty:
            names.append(parameter.name)
    if len(names) != count:
        raise LanguageError(
            f"{tensor} has {_count(count, 'axis', 'axes')} but its function takes "
            f"{_count(len(names), 'index', 'indices')} ({', '.join(names)})"
        )
    return names


def _check_body(op: ComputeOp) -> None:
    """Refuses reductions inside of other expressions and variables that no axis gives."""
    parts = list(subexpressions(op.body))
    if any(isinstance(part, Reduce) for part in parts[1:]):
        raise LanguageError(
            f"{op.name}: a reduction must be the whole of a tensor; compute it as a tensor of its own and read that",
            op.where,
        )
    known = {axis.var for axis in (*op.axis, *op.reduce_axis)} | sizes_of(op)
    for part in parts:
        if isinstance(part, Var) and part not in known:
            raise LanguageError(
                f"{op.name}: {part} is neither an index of it nor a size of what it reads; reduce over it with "
                f"sum(..., axis={part}), or make it an index",
                op.where,
            )


def _check_reads(op: ComputeOp) -> None:
    """Refuses reads that nothing guards and that some element makes outside of the tensor, where that is certain:
    indices that are affine in axes of constant bounds, of extents that are constant."""
    bounds = {
        axis.var: (int(axis.begin.value), int(axis.begin.value + axis.extent.value) - 1)
        for axis in (*op.axis, *op.reduce_axis)
        if isinstance(axis.begin, Const) and isinstance(axis.extent, Const)
    }
    for one in unguarded_reads(op.body):
        for place, (index, extent) in enumerate(zip(one.indices, one.tensor.shape, strict=True)):
            parts = linear(index, bounds)
            if parts is None or not isinstance(parts[1], Const) or not isinstance(extent, Const):
                continue
            ends = [sorted(by * end for end in bounds[var]) for var, by in parts[0].items()]
            low, high = (int(parts[1].value) + sum(end[side] for end in ends) for side in (0, 1))
            if low < 0 or high >= extent.value:
                axes = " or ".join(var.name for var, by in parts[0].items() if by)
                raise LanguageError(
                    f"{op.name}: index {place} of {one.tensor.name}, {index}, reaches {low if low < 0 else high}, "
                    f"outside of its extent {extent}; guard the read with if_then_else"
                    + (f" or make {axes} smaller" if low >= 0 and axes else ""),
                    op.where,
                )


def sizes_of(op: Operation) -> set[Var]:
    """The symbolic sizes that an operation can use: those of its shape and of all that it reads."""
    seen: set[Operation] = set()
    waiting: list[Operation] = [op]
    sizes: set[Var] = set()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        bounds = [
            *at.shape,
            *(bound for axis in at.reduce_axis for bound in (axis.begin, axis.extent) if bound is not None),
        ]
        sizes |= {part for bound in bounds for part in subexpressions(bound) if isinstance(part, Var)}
        if isinstance(at, ComputeOp):
            waiting += [tensor.op for tensor in tensors_of(at.body)]
    return sizes


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
