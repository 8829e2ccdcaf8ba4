"""How a tensor of the graph lies in the accelerator's DRAM."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from dovetail.compiler.codegen.vdla.layouts import Layout

from .types import Array, TensorType


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
