"""How a tensor of the graph lies in the accelerator's DRAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.codegen.vdla.layouts import Layout
from dovetail.compiler.tir.expr import Expr, as_expr

from .types import Array, TensorType


class Form(Protocol):
    """A form of a tensor in DRAM; frozen.

    Attributes
    ----------
    type:
        Of the tensor.
    packed:
        Of what lies in DRAM.
    """

    @property
    def type(self) -> TensorType: ...

    @property
    def packed(self) -> TensorType: ...

    def pack(self, array: Array) -> Array:
        """`array` as it lies there."""

    def unpack(self, packed: Array) -> Array:
        """The inverse of `pack`."""

    def compute(self, tensor: te.Tensor) -> te.Tensor:
        """`pack` as a tensor expression."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """From a row-major tensor to blocks: reshape, fill up with zeros, split axes, reorder them, and form entries.

    Attributes
    ----------
    type:
        Of the tensor.
    view:
        The shape that it is first seen in.
    filled:
        The shape after zeros are put behind each axis of that.
    split:
        The shape that this is seen in then.
    order:
        Of the axes of `split` in the accelerator's own tensor, whose shape is `layout.shape`.
    layout:
        In entries.
    """

    type: TensorType
    view: tuple[int, ...]
    filled: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    layout: Layout

    def __str__(self) -> str:
        lanes = " x ".join(map(str, self.layout.lanes))
        return f"{list(self.layout.shape)} in entries of {lanes}"

    @property
    def packed(self) -> TensorType:
        """The type of the tensor as it lies there."""
        shape = (*self.layout.grid, *(lane.size for lane in self.layout.lanes))
        return TensorType(shape, self.type.dtype)

    def pack(self, array: Array) -> Array:
        """`array` as it lies in DRAM."""
        full = np.zeros(self.filled, array.dtype)
        full[tuple(map(slice, self.view))] = array.reshape(self.view)
        return self.layout.pack(full.reshape(self.split).transpose(self.order))

    def unpack(self, packed: Array) -> Array:
        """The inverse of `pack`."""
        blocks = self.layout.unpack(packed).transpose(np.argsort(self.order))
        used = blocks.reshape(self.filled)[tuple(map(slice, self.view))]
        return np.ascontiguousarray(used.reshape(self.type.shape))

    def same_bytes(self, other: Packing) -> bool:
        """Whether both put the elements of a tensor, counted in row-major order, at the same bytes."""
        if self == other:
            return True
        if self.type.size != other.type.size or self.type.dtype != other.type.dtype:
            return False
        return self.layout.nbytes == other.layout.nbytes and bool(np.array_equal(self._places(), other._places()))

    def compute(self, tensor: te.Tensor) -> te.Tensor:
        """`pack` as a tensor expression."""
        rank, lanes = len(self.layout.shape), self.layout.lanes

        def element(*at: Expr) -> Expr:
            index: list[Expr] = [
                block * size if size > 1 else block for block, size in zip(at, self.layout.blocks, strict=False)
            ]
            beyond = []
            for lane, place in zip(lanes, at[rank:], strict=True):
                if lane.axis is not None:
                    index[lane.axis] = index[lane.axis] + place
                elif lane.size > 1:
                    beyond.append(te.equal(place, 0))
            beyond += [
                place < extent
                for place, extent, grid, block in zip(
                    index, self.layout.shape, self.layout.grid, self.layout.blocks, strict=True
                )
                if grid * block > extent
            ]
            inside = _moved(_permuted(index, np.argsort(self.order)), self.split, self.filled)
            beyond += [
                place < extent
                for place, extent, full in zip(inside, self.view, self.filled, strict=True)
                if full > extent
            ]
            value = tensor[tuple(_moved(inside, self.view, self.type.shape))]
            return te.if_then_else(te.all(*beyond), value, te.cast(tensor.dtype, 0)) if beyond else value

        return te.compute(self.packed.shape, element, name="packed")

    def uncompute(self, tensor: te.Tensor) -> te.Tensor:
        """`unpack` as a tensor expression, of a tensor of type `packed`."""

        def element(*at: Expr) -> Expr:
            inside = _moved(_moved(list(at), self.type.shape, self.view), self.filled, self.split)
            index = _permuted(inside, self.order)
            outer = [
                place // block if block > 1 else place for place, block in zip(index, self.layout.blocks, strict=True)
            ]
            lanes = [as_expr(0) if lane.axis is None else index[lane.axis] % lane.size for lane in self.layout.lanes]
            return tensor[(*outer, *lanes)]

        return te.compute(self.type.shape, element, name="unpacked")

    def _places(self) -> Array:
        """The place of each element, in the order of the tensor."""
        counted = np.arange(1, prod(self.type.shape) + 1, dtype=np.int64).reshape(self.type.shape)
        full = np.zeros(self.filled, np.int64)
        full[tuple(map(slice, self.view))] = counted.reshape(self.view)
        layout = Layout(self.layout.shape, "int64", self.layout.lanes)
        packed = layout.pack(full.reshape(self.split).transpose(self.order)).reshape(-1)
        places = np.zeros(counted.size, np.int64)
        used = np.flatnonzero(packed)
        places[packed[used] - 1] = used
        return places


def _permuted(index: Sequence[Expr], order: Sequence[int]) -> list[Expr]:
    return [index[axis] for axis in order]


def _moved(index: Sequence[Expr], shape: tuple[int, ...], to: tuple[int, ...]) -> list[Expr]:
    """The index in shape `to` of the element that has `index` in `shape`: leading and trailing axes that are the same
    stay, and those between are counted through."""
    if shape == to:
        return list(index)
    lead = 0
    while lead < min(len(shape), len(to)) and shape[lead] == to[lead]:
        lead += 1
    tail = 0
    while tail < min(len(shape), len(to)) - lead and shape[-1 - tail] == to[-1 - tail]:
        tail += 1
    flat: Expr = as_expr(0)
    for place, extent in zip(index[lead : len(index) - tail], shape[lead : len(shape) - tail], strict=True):
        flat = flat * extent + place if extent > 1 else flat
    middle: list[Expr] = []
    extents = to[lead : len(to) - tail]
    for axis, extent in enumerate(extents):
        rest = prod(extents[axis + 1 :])
        place = flat // rest if rest > 1 else flat
        middle.append(as_expr(0) if extent == 1 else place % extent if axis else place)
    return [*index[:lead], *middle, *index[len(index) - tail :]]
