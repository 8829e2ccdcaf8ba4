"""How an operator's tensors become arguments of its function: arrays are reshaped, filled up and reordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .host import Array, filled
from .shapes import blocks

Change = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """From a tensor as the user knows it to an argument.

    Attributes
    ----------
    view:
        The shape that the tensor is first seen in.
    filled:
        The shape after zeros are put behind each axis of that.
    split:
        The shape that this is seen in then.
    order:
        Of the axes of `split` in the argument, whose last axes may be merged.
    """

    view: tuple[int, ...]
    filled: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the argument, before axes are merged."""
        return tuple(self.split[axis] for axis in self.order)

    def arrange(self, array: Array) -> Array:
        """The argument for `array`, its axes not merged."""
        return filled(array.reshape(self.view), self.filled).reshape(self.split).transpose(self.order)

    def restore(self, argument: Array, shape: tuple[int, ...]) -> Array:
        """The inverse: the tensor of `shape` that `argument` holds."""
        whole = argument.reshape(self.shape).transpose(np.argsort(self.order)).reshape(self.filled)
        return np.ascontiguousarray(whole[tuple(map(slice, self.view))]).reshape(shape)


def straight(view: tuple[int, ...], filled: tuple[int, ...]) -> Arrangement:
    """A tensor that is only filled up."""
    return Arrangement(view=view, filled=filled, split=filled, order=tuple(range(len(filled))))


def channels_first(view: tuple[int, int, int], batch: int, block: int) -> Arrangement:
    """[n, c, pixels] as [batch, block, n blocks, c blocks, pixels]: what an entry holds comes first."""
    samples, channels, pixels = view
    rows, groups = blocks(samples, batch), blocks(channels, block)
    return Arrangement(
        view=view,
        filled=(rows * batch, groups * block, pixels),
        split=(rows, batch, groups, block, pixels),
        order=(1, 3, 0, 2, 4),
    )


def channels_last(view: tuple[int, int], batch: int, block: int) -> Arrangement:
    """[m, c] as [batch, block, c blocks, rows]: row i is sample i // rows, row i % rows."""
    rows, groups = blocks(view[0], batch), blocks(view[1], block)
    return Arrangement(
        view=view,
        filled=(batch * rows, groups * block),
        split=(batch, rows, groups, block),
        order=(0, 3, 2, 1),
    )


def rows_of_samples(lead: tuple[int, ...], rows: int, depth: int, batch: int, width: int) -> Arrangement:
    """[*lead, m, k] as [batch, *lead, depth, rows, 1], of matrices with `rows` rows: row i is sample i // rows.

    Parameters
    ----------
    rows, depth:
        Rows of the tensor's matrices, and columns of the argument's.
    width:
        Columns of the tensor's matrices.
    """
    each, axes = blocks(rows, batch), len(lead)
    return Arrangement(
        view=(*lead, rows, width),
        filled=(*lead, batch * each, depth),
        split=(*lead, batch, each, depth, 1),
        order=(axes, *range(axes), axes + 2, axes + 1, axes + 3),
    )


def pixels_as_rows(samples: int, channels: int, pixels: int, batch: int, depth: int) -> Arrangement:
    """[n, c, pixels] as [batch, depth, rows, 1] of a matrix with a row a pixel: row i is sample i // rows.

    One sample is cut into `batch` parts; of several, each part has whole ones.
    """
    if samples == 1:
        rows = blocks(pixels, batch)
        return Arrangement(
            view=(channels, pixels), filled=(depth, batch * rows), split=(depth, batch, rows, 1), order=(1, 0, 2, 3)
        )
    each = blocks(samples, batch)
    return Arrangement(
        view=(samples, channels, pixels),
        filled=(batch * each, depth, pixels),
        split=(batch, each, depth, pixels, 1),
        order=(0, 2, 1, 3, 4),
    )
