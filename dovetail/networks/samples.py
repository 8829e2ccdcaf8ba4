"""Seeded data that look like what networks are given, in that near elements are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STATISTICS_SAMPLES = 16
RECTANGLES = 12
FADE = 1.0
"""Amplitudes of natural images fall with about this power of the frequency."""


def images(seed: int, size: int, samples: int = STATISTICS_SAMPLES) -> Floats:
    """Images [samples, 3, size, size] of clouds and rectangles, each of mean 0 and variance 1."""
    random = np.random.default_rng((seed, size))
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    amplitudes = np.maximum(frequencies, 1 / size) ** -FADE
    result = np.empty((samples, 3, size, size))
    mixing = 0.8 + 0.2 * np.eye(3)
    for image in result:
        clouds = np.fft.irfft2(np.fft.rfft2(random.standard_normal((3, size, size))) * amplitudes, (size, size))
        image[:] = np.einsum("ij,jyx->iyx", mixing, clouds / clouds.std())
        for _ in range(RECTANGLES):
            (top, bottom), (left, right) = np.sort(random.integers(0, size + 1, (2, 2)))
            image[:, top:bottom, left:right] += random.normal(0, 0.4, (3, 1, 1))
    image_axes = (1, 2, 3)
    result -= result.mean(image_axes, keepdims=True)
    result /= result.std(image_axes, keepdims=True)
    return result.astype(np.float32)


def sequences(seed: int, samples: int, length: int, width: int) -> Floats:
    """Sequences [samples, length, width] of vectors, each related to the one before, of variance 1."""
    random = np.random.default_rng((seed, length, width))
    keep = 0.7
    result = random.standard_normal((samples, length, width))
    for index in range(1, length):
        result[:, index] = keep * result[:, index - 1] + np.sqrt(1 - keep**2) * result[:, index]
    return result.astype(np.float32)
