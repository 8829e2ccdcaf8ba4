"""How a tensor lies in a memory: as entries of the hardware, each holding a block of the tensor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.dtypes import numpy_dtype


@dataclass(frozen=True)
class Lane:
    """One axis of an entry: `size` neighbours along `axis` of the tensor, or just one where `axis` is None."""

    axis: int | None
    size: int

    def __str__(self) -> str:
        return f"{self.size} of axis {self.axis}" if self.axis is not None else f"{self.size} of none"


Lanes = tuple[Lane, ...]


def lanes(sizes: tuple[int, ...], axes: tuple[int | None, ...]) -> Lanes:
    """Lanes of these sizes; a lane of one element needs no axis."""
    return tuple(Lane(axis if size > 1 else None, size) for size, axis in zip(sizes, axes, strict=True))


@dataclass(frozen=True)
class Layout:
    """A tensor in blocks: the grid of blocks in the tensor's own order of axes, each block in the hardware's order.

    Attributes
    ----------
    shape:
        Of the tensor. Axes that lanes lie along are filled up to whole blocks.
    lanes:
        The axes of an entry, outermost first; none for a tensor of single elements.
    """

    shape: tuple[int, ...]
    dtype: str
    lanes: Lanes = ()

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        """For each axis, how many neighbours share an entry."""
        return tuple(prod(lane.size for lane in self.lanes if lane.axis == axis) for axis in range(len(self.shape)))

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """For each axis, how many entries."""
        return tuple(-(-extent // block) for extent, block in zip(self.shape, self.blocks, strict=True))

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """For each axis, how many entries further the next block lies."""
        return tuple(prod(self.grid[axis + 1 :]) for axis in range(len(self.grid)))

    @property
    def entries(self) -> int:
        return prod(self.grid)

    @property
    def entry_bytes(self) -> int:
        return prod(lane.size for lane in self.lanes) * numpy_dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        return self.entries * self.entry_bytes

    def pack(self, array: NDArray[Any]) -> NDArray[Any]:
        """`array` as it lies in memory: shape (*grid, *lanes), filled up with zeros."""
        packed = np.zeros(self._packed_shape, numpy_dtype(self.dtype))
        full = np.zeros(tuple(n * block for n, block in zip(self.grid, self.blocks, strict=True)), packed.dtype)
        full[tuple(map(slice, self.shape))] = array
        packed[self._used] = full.reshape(self._split).transpose(self._order)
        return packed

    def unpack(self, packed: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `pack`, of an array of as many elements."""
        used = packed.reshape(self._packed_shape)[self._used]
        inverse = np.argsort(self._order)
        full = used.transpose(inverse).reshape(tuple(n * b for n, b in zip(self.grid, self.blocks, strict=True)))
        return np.ascontiguousarray(full[tuple(map(slice, self.shape))])

    @property
    def _packed_shape(self) -> tuple[int, ...]:
        return self.grid + tuple(lane.size for lane in self.lanes)

    @property
    def _used(self) -> tuple[Any, ...]:
        """The part of a packed array that the tensor has elements for."""
        return (slice(None),) * len(self.grid) + tuple(0 if lane.axis is None else slice(None) for lane in self.lanes)

    @property
    def _split(self) -> tuple[int, ...]:
        """The shape with every axis that has a lane as two, of blocks and in a block."""
        return tuple(
            part
            for axis, (count, block) in enumerate(zip(self.grid, self.blocks, strict=True))
            for part in ((count, block) if self._has_lane(axis) else (count,))
        )

    @property
    def _order(self) -> tuple[int, ...]:
        """The axes of `_split` in the order of a packed array."""
        places: list[int] = []
        for axis in range(len(self.grid)):
            places.append(sum(2 if self._has_lane(before) else 1 for before in range(axis)))
        return tuple(places) + tuple(places[lane.axis] + 1 for lane in self.lanes if lane.axis is not None)

    def _has_lane(self, axis: int) -> bool:
        return any(lane.axis == axis for lane in self.lanes)
