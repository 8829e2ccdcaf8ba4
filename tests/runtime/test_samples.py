"""Seeded data for networks: the same everywhere, and of use to them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dovetail.isa.module import Tensor
from dovetail.runtime.samples import digest, random_inputs


def sample(dtype: str, shape: tuple[int, ...] = (4000,), seed: int = 3) -> np.ndarray:
    array = random_inputs([Tensor("x", shape, dtype, 0)], seed)["x"]
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    return array


def test_floats_follow_from_the_raw_bits_alone() -> None:
    bits = np.random.PCG64(3)
    words = [int(bits.random_raw()) for _ in range(4)]
    sums = [sum(word.to_bytes(8, "little")) for word in words]
    expected = [(total - 1020.0) / (8 * 65535 / 12) ** 0.5 for total in sums]
    np.testing.assert_array_equal(sample("float32", (2, 2)).reshape(-1), np.array(expected, np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_nearly_normal(dtype: str) -> None:
    values = sample(dtype).astype(np.float64)
    assert abs(values.mean()) < 0.06
    assert abs(values.std() - 1) < 0.06
    assert 2.5 < np.abs(values).max() < 5


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("int8", -128, 127), ("uint8", 0, 255), ("bool", 0, 1), ("int32", 0, 1), ("int64", 0, 1), ("uint16", 0, 1)],
)
def test_bytes_are_anything_and_wider_integers_0_or_1(dtype: str, low: int, high: int) -> None:
    values = sample(dtype).astype(np.int64)
    assert (values.min(), values.max()) == (low, high)


def test_inputs_differ_from_one_another_and_from_seed_to_seed() -> None:
    tensors = [Tensor("a", (8,), "float32", 0), Tensor("b", (8,), "float32", 0), Tensor("none", (0, 3), "int8", 0)]
    first, second = random_inputs(tensors, 0), random_inputs(tensors, 1)
    assert list(first) == ["a", "b", "none"]
    assert not np.array_equal(first["a"], first["b"])
    assert not np.array_equal(first["a"], second["a"])
    np.testing.assert_array_equal(first["a"], random_inputs(tensors, 0)["a"])
    assert first["none"].shape == (0, 3)


def test_a_digest_is_of_the_bytes_in_row_major_order() -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    assert digest(array.T) == hashlib.sha256(b"\0\0\3\0\1\0\4\0\2\0\5\0").hexdigest()
