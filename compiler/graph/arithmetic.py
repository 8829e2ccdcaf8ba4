"""The accelerator's output arithmetic in NumPy: the meaning of quantised operators."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dovetail.compiler.ops.scales import Output, Scale

from .types import Array

INT32 = (-(2**31), 2**31 - 1)
WIDEST = 62
"""Shifts beyond it give 0: a product of two int32 is at most 2**62, which then rounds to 0."""


def rounded(value: ArrayLike, shift: ArrayLike) -> NDArray[np.int64]:
    """``value / 2**shift`` to the nearest integer, ties to even, of int64."""
    number, places = np.asarray(value, np.int64), np.asarray(shift, np.int64)
    divisor = np.left_shift(np.int64(1), np.minimum(places, WIDEST))
    below, rest = np.divmod(number, divisor)
    up = (rest > divisor - rest) | ((rest == divisor - rest) & (below % 2 == 1))
    result: NDArray[np.int64] = np.where(places > WIDEST, 0, below + up)
    return result


def saturated(value: ArrayLike) -> NDArray[np.int64]:
    """The nearest number that int32 holds."""
    return np.clip(np.asarray(value, np.int64), *INT32)


def scaled(value: ArrayLike, scale: Scale) -> NDArray[np.int64]:
    """An operand's part in a sum, see `Scale`."""
    distance = saturated(np.asarray(value, np.int64) - scale.zero_point)
    return saturated(rounded(distance * scale.multiplier, scale.shift))


def finished(total: ArrayLike, output: Output) -> NDArray[np.int8]:
    """int8 of a sum in units of ``2**-fraction``, see `Output`."""
    value = rounded(total, output.fraction) + output.zero_point
    return np.clip(value, *output.bounds).astype(np.int8)


def requantised(
    sums: Array,
    bias: Array,
    multiplier: Array,
    shift: Array,
    output: Output,
    residual: Array | None = None,
    scale: Scale | None = None,
    *,
    axis: int,
) -> NDArray[np.int8]:
    """int8 of int32 sums with channels on `axis`, as the accelerator's `STORE` computes it."""
    shape = [1] * sums.ndim
    shape[axis] = -1
    offset, factor, places = (np.asarray(part, np.int64).reshape(shape) for part in (bias, multiplier, shift))
    total = saturated(rounded(saturated(sums.astype(np.int64) + offset) * factor, places))
    if residual is not None:
        total = total + scaled(residual, scale or Scale())
    return finished(total, output)
