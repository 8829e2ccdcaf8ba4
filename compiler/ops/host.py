"""How the host lays out the arguments of operators, in NumPy: whole blocks, merged groups, columns of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .shapes import Conv2dShape, Pads

Array = NDArray[Any]


def filled(array: Array, shape: tuple[int, ...], dtype: str | None = None) -> Array:
    """`array` with zeros behind it along each axis, up to `shape`."""
    if array.shape == shape and dtype in (None, array.dtype.name):
        return array
    result = np.zeros(shape, dtype or array.dtype)
    result[tuple(map(slice, array.shape))] = array
    return result


def cropped(array: Array, shape: tuple[int, ...]) -> Array:
    """The first elements of `array` along each axis."""
    return np.ascontiguousarray(array[tuple(map(slice, shape))])


def contiguous(array: Array) -> Array:
    """`array` in row-major order."""
    return np.ascontiguousarray(array)


def padded(data: Array, pads: Pads) -> Array:
    """[n, c, h, w] with zeros around its rows and columns."""
    top, left, bottom, right = pads
    return np.pad(data, ((0, 0), (0, 0), (top, bottom), (left, right))) if any(pads) else data


def group_channels(array: Array, groups: int, axis: int) -> Array:
    """`array` with its channels as two axes: groups, and channels of a group."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def merge_group_weights(weight: Array, shape: Conv2dShape, groups: int) -> Array:
    """[oc, ic / shape.groups, kh, kw] as [groups, oc / groups, ic / groups, kh, kw].

    Of the channels of a merged group only those of an output's own group have weights that are not 0.
    """
    merged = shape.groups // groups
    oc, ic = shape.oc // shape.groups, shape.ic // shape.groups
    result = np.zeros((groups, merged, oc, merged, ic, shape.kh, shape.kw), weight.dtype)
    own = weight.reshape(groups, merged, oc, ic, shape.kh, shape.kw)
    for member in range(merged):
        result[:, member, :, member] = own[:, member]
    return result.reshape(groups, merged * oc, merged * ic, shape.kh, shape.kw)


def columns(data: Array, shape: Conv2dShape) -> Array:
    """[n, ic, h, w] as [n * out_h * out_w, ic * kh * kw]: for each output all that it sees (im2col)."""
    rows, cols = (shape.kh - 1) * shape.dilation[0] + 1, (shape.kw - 1) * shape.dilation[1] + 1
    windows = sliding_window_view(padded(data, shape.pads), (rows, cols), axis=(2, 3))
    seen = windows[:, :, :: shape.strides[0], :: shape.strides[1], :: shape.dilation[0], :: shape.dilation[1]]
    result: Array = seen.transpose(0, 2, 3, 1, 4, 5).reshape(shape.n * shape.out_h * shape.out_w, -1)
    return result


def rows_to_samples(a: Array, batch: int, rows: int, depth: int) -> Array:
    """[m, k] as [batch, depth, rows, 1]: row i is sample i // rows, row i % rows."""
    full = filled(a, (batch * rows, depth))
    return np.ascontiguousarray(full.reshape(batch, rows, depth).transpose(0, 2, 1))[..., np.newaxis]


def samples_to_rows(out: Array, m: int, n: int) -> Array:
    """The inverse of `rows_to_samples`: the first `m` rows and `n` columns."""
    batch, depth, rows, _ = out.shape
    return np.ascontiguousarray(out[..., 0].transpose(0, 2, 1).reshape(batch * rows, depth)[:m, :n])
