"""How a tensor of the graph lies in the accelerator's DRAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.codegen.vdla.layouts import Layout
from dovetail.compiler.ops.arrangement import Arrangement
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
    """From a row-major tensor to blocks: an arrangement gives the accelerator's own tensor, and a layout its entries.

    Attributes
    ----------
    type:
        Of the tensor.
    arrangement:
        From the tensor to the accelerator's.
    layout:
        Of that, whose axes are not merged.
    """

    type: TensorType
    arrangement: Arrangement
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
        return self.layout.pack(self.arrangement.arrange(array))

    def unpack(self, packed: Array) -> Array:
        """The inverse of `pack`."""
        return self.arrangement.restore(self.layout.unpack(packed), self.type.shape)

    def same_bytes(self, other: Packing) -> bool:
        """Whether both put the elements of a tensor, counted in row-major order, at the same bytes."""
        if self == other:
            return True
        if self.type.size != other.type.size or self.type.dtype != other.type.dtype:
            return False
        return self.layout.nbytes == other.layout.nbytes and bool(np.array_equal(self._places(), other._places()))

    def compute(self, tensor: te.Tensor) -> te.Tensor:
        """`pack` as a tensor expression."""
        layout, arrangement = self.layout, self.arrangement
        rank = len(layout.shape)

        def element(*at: Expr) -> Expr:
            index = [place * block if block > 1 else place for place, block in zip(at, layout.blocks, strict=False)]
            used = []
            for lane, place in zip(layout.lanes, at[rank:], strict=True):
                if lane.axis is not None:
                    index[lane.axis] = index[lane.axis] + place
                elif lane.size > 1:
                    used.append(te.equal(place, 0))
            whole = (grid * block for grid, block in zip(layout.grid, layout.blocks, strict=True))
            used += _within(index, layout.shape, whole)
            split = [index[axis] for axis in np.argsort(arrangement.order)]
            inside = _moved(split, arrangement.split, arrangement.filled)
            used += _within(inside, arrangement.view, arrangement.filled)
            value = tensor[tuple(_moved(inside, arrangement.view, self.type.shape))]
            return te.if_then_else(te.all(*used), value, te.cast(tensor.dtype, 0)) if used else value

        return te.compute(self.packed.shape, element, name="packed")

    def uncompute(self, tensor: te.Tensor) -> te.Tensor:
        """`unpack` as a tensor expression, of a tensor of type `packed`."""
        layout, arrangement = self.layout, self.arrangement

        def element(*at: Expr) -> Expr:
            inside = _moved(list(at), self.type.shape, arrangement.view)
            split = _moved(inside, arrangement.filled, arrangement.split)
            index = [split[axis] for axis in arrangement.order]
            outer = [place // block if block > 1 else place for place, block in zip(index, layout.blocks, strict=True)]
            lanes = [as_expr(0) if lane.axis is None else index[lane.axis] % lane.size for lane in layout.lanes]
            return tensor[(*outer, *lanes)]

        return te.compute(self.type.shape, element, name="unpacked")

    def _places(self) -> Array:
        """The place of each element, in the order of the tensor."""
        counted = np.arange(1, prod(self.type.shape) + 1, dtype=np.int64).reshape(self.type.shape)
        layout = Layout(self.layout.shape, "int64", self.layout.lanes)
        packed = layout.pack(self.arrangement.arrange(counted)).reshape(-1)
        places = np.zeros(counted.size, np.int64)
        used = np.flatnonzero(packed)
        places[packed[used] - 1] = used
        return places


def _within(index: Sequence[Expr], shape: Sequence[int], whole: Iterable[int]) -> list[Expr]:
    """Conditions for an index in shape `whole` to be one in `shape`, as far as they may be false."""
    axes = zip(index, shape, whole, strict=True)
    return [place < extent for place, extent, full in axes if full > extent]


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
