"""What tiles of a convolution load along one axis: sums over tiles and chunks of the kernel, in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.transfers import cut

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a convolution.

    Attributes
    ----------
    total, inputs:
        Outputs; inputs without padding.
    step:
        Inputs from one loaded one to the next.
    before:
        Padding at the begin.
    """

    total: int
    inputs: int
    taps: int
    stride: int
    dilation: int
    step: int
    before: int

    @classmethod
    def rows_of(cls, shape: Blocked) -> Axis:
        return cls(shape.out_h, shape.h, shape.kh, shape.stride_h, shape.dilation_h, shape.row_step, shape.pads[0])

    @classmethod
    def cols_of(cls, shape: Blocked) -> Axis:
        return cls(shape.out_w, shape.w, shape.kw, shape.stride_w, shape.dilation_w, 1, shape.pads[1])

    def loaded(self, size: int, taps: int) -> int:
        """What `size` outputs need of `taps` taps, with padding."""
        return (size - 1) * self.stride + (taps - 1) * self.dilation + 1

    def inside(self, begin: int, size: int, tap: int, taps: int) -> int:
        """What of that is no padding, for outputs from `begin` and taps from `tap` on."""
        start = (begin * self.stride + tap * self.dilation) * self.step - self.before
        first = max(0, -(start // self.step))
        last = min(self.loaded(size, taps), (self.inputs - 1 - start) // self.step + 1)
        return max(0, last - first)


class Table:
    """Rows of numbers, each worked out once for its key."""

    def __init__(self, work_out: Callable[..., tuple[int, ...]]) -> None:
        self._work_out = work_out
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def of(self, *keys: Any) -> list[Whole]:
        """A column for each of the numbers, with a place for each key; 0 where a row has fewer than others."""
        columns = np.broadcast_arrays(*(np.asarray(key, np.int64) for key in keys))
        packed = np.zeros(columns[0].shape, np.int64)
        for column in columns:
            packed = (packed << PACKED_BITS) | column
        _, places, inverse = np.unique(packed, return_index=True, return_inverse=True)
        rows = []
        for place in places:
            key = tuple(int(column[place]) for column in columns)
            if key not in self._known:
                self._known[key] = self._work_out(*key)
            rows.append(self._known[key])
        longest = max(map(len, rows), default=0)
        table = np.zeros((longest, len(rows)), np.int64)
        for place, row in enumerate(rows):
            table[: len(row), place] = row
        return list(table[:, inverse])


PACKED_BITS = 15


def loads_along(axis: Axis) -> Table:
    """By a tile's size, the first one's and the taps of a chunk: what is loaded of tiles and chunks together; of that
    what is no padding; of the first, of the last, and the most of any; and how many chunks there are."""

    def work_out(size: int, first: int, taps: int) -> tuple[int, ...]:
        chunks = cut(axis.taps, taps, taps)
        loaded = [
            (axis.loaded(outputs, count), axis.inside(begin, outputs, tap, count))
            for begin, outputs in cut(axis.total, size, first)
            for tap, count in chunks
        ]
        inside = [part for _, part in loaded]
        return sum(part for part, _ in loaded), sum(inside), inside[0], inside[-1], max(inside), len(chunks)

    return Table(work_out)


def kinds_along(axis: Axis) -> Table:
    """By a tile's size and the first one's: of the second tile (the first if there is no other) and of the last one
    outputs, loaded and of that what is no padding; then the same and how many there are of each kind of tile, that of
    the first tile first."""

    def work_out(size: int, first: int) -> tuple[int, ...]:
        tiles = [
            (outputs, axis.loaded(outputs, axis.taps), axis.inside(begin, outputs, 0, axis.taps))
            for begin, outputs in cut(axis.total, size, first)
        ]
        kinds = (number for kind, count in Counter(tiles).items() for number in (*kind, count))
        return *tiles[min(1, len(tiles) - 1)], *tiles[-1], *kinds

    return Table(work_out)
