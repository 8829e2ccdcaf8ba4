"""Seeded data for the inputs of networks, the same on every machine, and digests of what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.module import Tensor

BYTES = 8
"""Of a random word, whose bytes are added up for a number that is nearly normal."""
MEAN = BYTES * 255 / 2
DEVIATION = (BYTES * (256**2 - 1) / 12) ** 0.5


def random_inputs(tensors: Iterable[Tensor], seed: int) -> dict[str, NDArray[Any]]:
    """An array for each tensor, by name.

    Floats are nearly normal with variance 1, integers of 8 bits anything, and wider ones 0 or 1: those are mostly
    indices and masks. Only NumPy's raw bits are used: what its distributions make of them may change.
    """
    bits = np.random.PCG64(seed)
    return {tensor.name: _random(bits, tensor) for tensor in tensors}


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of an array's bytes in row-major order, in hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _random(bits: np.random.PCG64, tensor: Tensor) -> NDArray[Any]:
    kind = np.dtype(tensor.dtype)
    size = tensor.nbytes // kind.itemsize
    words = np.asarray(bits.random_raw(size), np.uint64)
    if kind.kind == "f":
        sums = words.view(np.uint8).reshape(size, BYTES).sum(axis=1, dtype=np.int64)
        values = ((sums - MEAN) / DEVIATION).astype(kind)
    elif kind.kind == "b" or kind.itemsize > 1:
        values = (words >> np.uint64(63)).astype(kind)
    else:
        values = words.astype(np.uint8).view(kind)
    return np.asarray(values.reshape(tensor.shape))
