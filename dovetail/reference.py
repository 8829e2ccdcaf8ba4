"""What layers compute, in NumPy, independent of the instruction set, the simulators and the compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def conv2d(inp: NDArray[np.int8], wgt: NDArray[np.int8], stride: int, pad: int) -> NDArray[np.int64]:
    """Exact sums [n, oc, oh, ow] of a convolution of `inp` [n, ic, h, w] with `wgt` [oc, ic, kh, kw].

    float64 holds every integer up to 2**53, far above any sum here, so the products may go through BLAS.
    """
    n, ic, h, w = inp.shape
    oc, _, kh, kw = wgt.shape
    oh, ow = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
    padded = np.pad(inp, ((0, 0), (0, 0), (pad, pad), (pad, pad))).astype(np.float64)
    sums = np.zeros((n, oc, oh * ow))
    for ky in range(kh):
        for kx in range(kw):
            seen = padded[:, :, ky : ky + oh * stride : stride, kx : kx + ow * stride : stride][:, :, :oh, :ow]
            sums += wgt[:, :, ky, kx].astype(np.float64) @ seen.reshape(n, ic, oh * ow)
    return sums.reshape(n, oc, oh, ow).astype(np.int64)


def requantise(
    sums: NDArray[np.int64],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    shift: NDArray[np.uint8],
    *,
    zero_point: int = 0,
    minimum: int = -128,
    maximum: int = 127,
) -> NDArray[np.int8]:
    """int8 from sums [n, oc, oh, ow]: per channel add, multiply, divide by ``2**shift`` and round, half to even.

    Shifts are 0 to 62. What does not fit int32 before or after the multiplication saturates; the result is moved by
    `zero_point` and held between `minimum` and `maximum`.
    """
    int32 = np.iinfo(np.int32)
    per_channel = (1, -1, 1, 1)
    biased = np.clip(sums + bias.astype(np.int64).reshape(per_channel), int32.min, int32.max)
    product = biased * multiplier.astype(np.int64).reshape(per_channel)
    divisor = np.left_shift(np.int64(1), shift.astype(np.int64)).reshape(per_channel)
    below, rest = np.divmod(product, divisor)
    to_next = divisor - rest
    nearest = below + ((rest > to_next) | ((rest == to_next) & (below % 2 == 1)))
    scaled = np.clip(nearest, int32.min, int32.max)
    finished: NDArray[np.int8] = np.clip(scaled + zero_point, minimum, maximum).astype(np.int8)
    return finished
