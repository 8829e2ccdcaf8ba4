"""The images: scikit-learn's digits, 1,797 grey ones of 8x8 pixels, a third of them for testing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST_SHARE = 1 / 3
SPLIT_SEED = 0
WHITE = 16
"""Pixels are 0 to 16."""


@dataclass(frozen=True)
class Digits:
    """Images [n, 1, 8, 8] of pixels from 0 to 1, and which digit each shows [n]."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def split() -> tuple[Digits, Digits]:
    """Those to train with (1,198) and those to test with (599), with the same share of each digit in both."""
    images, labels = load_digits(return_X_y=True)
    images = (images / WHITE).astype(np.float32).reshape(-1, 1, 8, 8)
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels
    )
    return Digits(train, train_labels), Digits(test, test_labels)
