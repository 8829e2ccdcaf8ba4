"""What layers compute, in NumPy, independent of the instruction set, the simulators and the compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PER_CHANNEL = (1, -1, 1, 1)


def conv2d(
    inp: NDArray[np.generic],
    wgt: NDArray[np.generic],
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> NDArray[np.float64]:
    """Sums [n, oc, oh, ow] of a convolution of `inp` [n, ic, h, w] with `wgt` [oc, ic / groups, kh, kw], in float64.

    float64 holds every integer up to 2**53, far above any sum of integer layers here, so theirs are exact and the
    products may go through BLAS.

    Parameters
    ----------
    strides, dilation:
        Of rows and columns.
    pads:
        Zeros at the top, left, bottom and right.
    """
    n, _, h, w = inp.shape
    oc, group_ic, kh, kw = wgt.shape
    top, left, bottom, right = pads
    oh = (h + top + bottom - (kh - 1) * dilation[0] - 1) // strides[0] + 1
    ow = (w + left + right - (kw - 1) * dilation[1] - 1) // strides[1] + 1
    padded = np.pad(inp, ((0, 0), (0, 0), (top, bottom), (left, right))).astype(np.float64)
    padded = padded.reshape(n, groups, group_ic, *padded.shape[2:])
    weights = wgt.astype(np.float64).reshape(groups, oc // groups, group_ic, kh, kw)
    sums = np.zeros((n, groups, oc // groups, oh * ow))
    for ky in range(kh):
        for kx in range(kw):
            row, col = ky * dilation[0], kx * dilation[1]
            seen = padded[..., row : row + oh * strides[0] : strides[0], col : col + ow * strides[1] : strides[1]]
            sums += weights[:, :, :, ky, kx] @ seen[..., :oh, :ow].reshape(n, groups, group_ic, oh * ow)
    return sums.reshape(n, oc, oh, ow)


def matmul(a: NDArray[np.generic], b: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sums [m, n] of `a` [m, k] times the transpose of `b` [n, k], in float64; see `conv2d`."""
    return a.astype(np.float64) @ b.astype(np.float64).T


def requantise(
    sums: NDArray[np.generic],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    shift: NDArray[np.generic],
    *,
    zero_point: int = 0,
    minimum: int = -128,
    maximum: int = 127,
) -> NDArray[np.int8]:
    """int8 from sums with channels on axis 1: add, multiply, divide by ``2**shift`` and round, half to even.

    Shifts are 0 to 63. What does not fit int32 before or after the multiplication saturates; the result is moved by
    `zero_point` and held between `minimum` and `maximum`.
    """
    int32 = np.iinfo(np.int32)
    per_channel = PER_CHANNEL[: sums.ndim]
    biased = np.clip(sums.astype(np.int64) + bias.astype(np.int64).reshape(per_channel), int32.min, int32.max)
    product = biased * multiplier.astype(np.int64).reshape(per_channel)
    places = shift.astype(np.int64).reshape(per_channel)
    divisor = np.left_shift(np.int64(1), np.minimum(places, 62))
    below, rest = np.divmod(product, divisor)
    to_next = divisor - rest
    nearest = below + ((rest > to_next) | ((rest == to_next) & (below % 2 == 1)))
    # 2**63 is beyond int64, and a product, at most 2**62, becomes at most a half by it, which rounds to 0.
    scaled = np.where(places > 62, 0, np.clip(nearest, int32.min, int32.max))
    finished: NDArray[np.int8] = np.clip(scaled + zero_point, minimum, maximum).astype(np.int8)
    return finished
