"""Constants in the order in which the loops read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import OperatorError
from ..shapes import blocks
from .operator import Array


def check_constant(what: str, name: str, array: Array, shape: tuple[int, ...], dtype: str) -> None:
    """Refuses a constant of another shape or dtype.

    Raises
    ------
    OperatorError:
        It is one.
    """
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise OperatorError(f"{what}: {name} must be {dtype} {shape}, not {array.dtype} {array.shape}")


def in_lanes(array: Array, groups: int, vectors: int, lanes: int, axis: int = 0) -> Array:
    """Splits an axis of channels into [groups, blocks, vectors, lanes] in its place; new ones are 0."""
    per_group = array.shape[axis] // groups
    count = blocks(per_group, vectors * lanes)
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    grouped = array.reshape(*before, groups, per_group, *after)
    widths = [(0, 0)] * grouped.ndim
    widths[axis + 1] = (0, count * vectors * lanes - per_group)
    return np.pad(grouped, widths).reshape(*before, groups, count, vectors, lanes, *after)


def conv2d_weights(
    weights: Array, groups: int, vectors: int, lanes: int, together: int | None = None
) -> NDArray[np.generic]:
    """[oc, channels, kh, kw] as [groups, blocks, channels, kh, kw, vectors, lanes], or with channels split into
    [channels / together, ..., lanes, together]."""
    blocked = in_lanes(weights, groups, vectors, lanes)
    if together is None:
        return np.ascontiguousarray(blocked.transpose(0, 1, 4, 5, 6, 2, 3))
    channels = blocked.shape[4]
    padded = np.pad(blocked, [(0, 0)] * 4 + [(0, -channels % together), (0, 0), (0, 0)])
    split = padded.reshape(*blocked.shape[:4], blocks(channels, together), together, *blocked.shape[5:])
    return np.ascontiguousarray(split.transpose(0, 1, 4, 6, 7, 2, 3, 5))


def in_tiles(weights: Array, size: int) -> Array:
    """[oc, channels, kh, kw] as [oc / size, channels, kh, kw, size]."""
    tiles = weights.reshape(-1, size, *weights.shape[1:])
    return np.ascontiguousarray(tiles.transpose(0, 2, 3, 4, 1))


def matmul_weights(weights: Array, vectors: int, lanes: int, together: int | None = None) -> NDArray[np.generic]:
    """[n, k] as [blocks, k, vectors, lanes], or with k split into [k / together, ..., lanes, together]."""
    packed = conv2d_weights(weights[:, :, None, None], 1, vectors, lanes, together)
    return packed[0, :, :, 0, 0]


def table_in_lanes(table: NDArray[np.int64], groups: int, vectors: int, lanes: int) -> NDArray[np.int64]:
    """[rows, channels] as [groups, blocks, vectors, rows, lanes]."""
    split = in_lanes(table, groups, vectors, lanes, axis=1)
    return np.ascontiguousarray(split.transpose(1, 2, 3, 0, 4)).astype(np.int64, copy=False)
