"""How the host lays out the arguments of operators, in NumPy: whole blocks, merged groups, columns of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .shapes import Conv2dShape, Pads

Array = NDArray[Any]


def filled(array: Array, shape: tuple[int, ...]) -> Array:
    """`array` with zeros behind it along each axis, up to `shape`."""
    if array.shape == shape:
        return array
    result = np.zeros(shape, array.dtype)
    result[tuple(map(slice, array.shape))] = array
    return result


def padded(data: Array, pads: Pads, value: int = 0) -> Array:
    """[n, c, h, w] with `value` around its rows and columns."""
    top, left, bottom, right = pads
    ends = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(data, ends, constant_values=value) if any(pads) else data


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


def columns(data: Array, shape: Conv2dShape, padding: int = 0) -> Array:
    """[n, ic, h, w] as [n * out_h * out_w, ic * kh * kw]: for each output all that it sees (im2col)."""
    rows, cols = (shape.kh - 1) * shape.dilation[0] + 1, (shape.kw - 1) * shape.dilation[1] + 1
    windows = sliding_window_view(padded(data, shape.pads, padding), (rows, cols), axis=(2, 3))
    seen = windows[:, :, :: shape.strides[0], :: shape.strides[1], :: shape.dilation[0], :: shape.dilation[1]]
    result: Array = seen.transpose(0, 2, 3, 1, 4, 5).reshape(shape.n * shape.out_h * shape.out_w, -1)
    return result
