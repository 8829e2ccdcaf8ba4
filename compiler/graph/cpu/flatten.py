"""Neighbouring axes that are always walked together become one: longer loops, without multiplications of indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from dovetail.compiler import te
from dovetail.compiler.te import Axis, Tensor
from dovetail.compiler.te.tensor import ComputeOp, PlaceholderOp, Reduce, TensorRead
from dovetail.compiler.te.walk import rewrite, substitute_vars
from dovetail.compiler.tir.expr import Const, Expr, Var

from .expressions import extent, reads, stages_of, uses

Indices = tuple[Expr, ...]

ZERO = Const(0)


def flattened(output: Tensor) -> tuple[Tensor, dict[Tensor, Tensor]]:
    """`output`, and the placeholders that stand for others: all row-major, with fewer axes.

    Only a tensor that reads nothing but placeholders is changed.
    """
    op = output.op
    if not isinstance(op, ComputeOp) or len(stages_of(output)) > 1:
        return output, {}
    nest = _Nest(op)
    nest.drop_units()
    while nest.merge_one():
        pass
    return nest.output(), nest.placeholders


class _Nest:
    """One operation while its axes become fewer.

    Attributes
    ----------
    placeholders:
        What stands for each that the operation read at first.
    """

    def __init__(self, op: ComputeOp) -> None:
        self.op = op
        self.axes = list(op.axis)
        self.body = op.body
        self.placeholders = {read.tensor: read.tensor for read in reads(op.body)}

    def output(self) -> Tensor:
        return Tensor(replace(self.op, axis=tuple(self.axes), body=self.body))

    def drop_units(self) -> None:
        """Takes out axes of extent 1, of the operation and of placeholders."""
        units = [axis for axis in (*self.axes, *self._reduced()) if extent(axis) == 1]
        self.axes = [axis for axis in self.axes if axis not in units]
        body = substitute_vars(self.body, {axis.var: axis.begin for axis in units})
        if isinstance(body, Reduce):
            kept = tuple(axis for axis in body.axes if axis not in units)
            body = replace(body, axes=kept) if kept else body.source
        self.body = body
        for tensor in list(self.placeholders.values()):
            shape = _shape(tensor)
            places = [place for place, size in enumerate(shape) if size != 1]
            if len(places) < len(shape):
                self._reshape(tensor, [shape[place] for place in places], partial(_chosen, tuple(places)))

    def merge_one(self) -> bool:
        """Makes one axis of two, if there are two that allow it."""
        for group in (self.axes, self._reduced()):
            for outer, inner in pairwise(group):
                if self._may_merge(outer, inner):
                    self._merge(outer, inner)
                    return True
        return False

    def _reduced(self) -> list[Axis]:
        return list(self.body.axes) if isinstance(self.body, Reduce) else []

    def _may_merge(self, outer: Axis, inner: Axis) -> bool:
        if outer.begin != ZERO or inner.begin != ZERO:
            return False
        places: dict[Tensor, set[int | None]] = {}
        inside = 0
        for read in reads(self.body):
            place = self._place(read, outer, inner)
            if place == -1:
                return False
            inside += 0 if place is None else 1
            places.setdefault(read.tensor, set()).add(place)
        if any(len(found) > 1 for found in places.values()):
            return False
        return all(uses(self.body, axis.var) == inside for axis in (outer, inner))

    def _place(self, read: TensorRead, outer: Axis, inner: Axis) -> int | None:
        """The dimension that is walked by `outer`, before that of `inner`; None for neither, -1 if it is otherwise."""
        used = [place for place, at in enumerate(read.indices) if uses(at, outer.var) or uses(at, inner.var)]
        if not used:
            return None
        place = used[0]
        if used != [place, place + 1] or read.indices[place : place + 2] != (outer.var, inner.var):
            return -1
        return place if _shape(read.tensor)[place : place + 2] == (extent(outer), extent(inner)) else -1

    def _merge(self, outer: Axis, inner: Axis) -> None:
        both = replace(
            outer, var=Var(f"{outer.name}_{inner.name}", outer.var.type), extent=Const(extent(outer) * extent(inner))
        )
        changes = {}
        for read in reads(self.body):
            place = self._place(read, outer, inner)
            if place is not None:
                changes[read.tensor] = place
        for tensor, place in changes.items():
            shape = _shape(tensor)
            whole = [*shape[:place], shape[place] * shape[place + 1], *shape[place + 2 :]]
            self._reshape(tensor, whole, partial(_with_one, place, both.var))
        self.axes = _merged(self.axes, outer, inner, both)
        if isinstance(self.body, Reduce):
            self.body = replace(self.body, axes=tuple(_merged(self.body.axes, outer, inner, both)))

    def _reshape(self, tensor: Tensor, shape: Sequence[int], index: Callable[[Indices], Indices]) -> None:
        assert isinstance(tensor.op, PlaceholderOp)
        new = te.placeholder(shape, tensor.dtype, name=tensor.name)

        def change(part: Expr) -> Expr:
            if isinstance(part, TensorRead) and part.tensor == tensor:
                return TensorRead(new, index(part.indices))
            return part

        self.body = rewrite(self.body, change)
        for first, now in self.placeholders.items():
            if now == tensor:
                self.placeholders[first] = new


def _chosen(places: tuple[int, ...], at: Indices) -> Indices:
    return tuple(at[place] for place in places)


def _with_one(place: int, var: Var, at: Indices) -> Indices:
    return (*at[:place], var, *at[place + 2 :])


def _merged(axes: Sequence[Axis], outer: Axis, inner: Axis, both: Axis) -> list[Axis]:
    return [both if axis is outer else axis for axis in axes if axis is not inner]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(int(size.value) for size in tensor.shape if isinstance(size, Const))
