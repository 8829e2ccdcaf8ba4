"""Walks over expressions, those of tensor expressions included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from dovetail.compiler.tir.expr import Expr, Select, Var

from .tensor import Tensor, TensorRead


def subexpressions(expr: Expr) -> Iterator[Expr]:
    """`expr` and all that it is made of, outermost first, from left to right."""
    yield expr
    for child in _children(expr):
        yield from subexpressions(child)


def unguarded_reads(expr: Expr) -> Iterator[TensorRead]:
    """The reads in `expr` that are made whatever its conditions are: all but those in the arms of an if_then_else."""
    if isinstance(expr, Select) and expr.guard:
        yield from unguarded_reads(expr.condition)
        return
    if isinstance(expr, TensorRead):
        yield expr
    for child in _children(expr):
        yield from unguarded_reads(child)


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with `change` applied to every part, the innermost first."""
    changes: dict[str, Any] = {}
    for field in fields(expr):
        value = getattr(expr, field.name)
        if isinstance(value, Expr):
            new: Any = rewrite(value, change)
        elif isinstance(value, tuple):
            new = tuple(rewrite(item, change) if isinstance(item, Expr) else item for item in value)
            if all(one is other for one, other in zip(new, value, strict=True)):
                new = value
        else:
            continue
        if new is not value:
            changes[field.name] = new
    return change(replace(expr, **changes) if changes else expr)


def substitute_vars(expr: Expr, values: Mapping[Var, Expr]) -> Expr:
    """`expr` with variables replaced."""
    return rewrite(expr, lambda part: values.get(part, part) if isinstance(part, Var) else part)


def replace_tensor(expr: Expr, old: Tensor, new: Tensor) -> Expr:
    """`expr` reading `new` wherever it read `old`."""

    def change(part: Expr) -> Expr:
        return replace(part, tensor=new) if isinstance(part, TensorRead) and part.tensor == old else part

    return rewrite(expr, change)


def tensors_of(expr: Expr) -> list[Tensor]:
    """The tensors that `expr` reads, each once, in the order in which they are written."""
    found: dict[Tensor, None] = {}
    for part in subexpressions(expr):
        if isinstance(part, TensorRead):
            found[part.tensor] = None
    return list(found)


def _children(expr: Expr) -> Iterator[Expr]:
    for field in fields(expr):
        value = getattr(expr, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Expr):
                yield child
