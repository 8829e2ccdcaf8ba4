"""Pooling on the CPU against NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.cpu import CpuOperator, avg_pool2d, build, max_pool2d
from dovetail.compiler.ops.shapes import Pool2dShape

EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def shapes(draw) -> Pool2dShape:
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    pads = tuple(draw(st.integers(0, k - 1)) for k in (kh, kw, kh, kw))
    h, w = draw(st.integers(kh, 20)), draw(st.integers(kw, 40))
    strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Pool2dShape(
        n=draw(st.integers(1, 2)), c=draw(st.integers(1, 5)), h=h, w=w, kh=kh, kw=kw, strides=strides, pads=pads
    )


def windows(shape: Pool2dShape, data: np.ndarray, padding: float) -> np.ndarray:
    """[n, c, out_h, out_w, kh, kw]"""
    top, left, bottom, right = shape.pads
    padded = np.pad(data.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=padding)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (shape.kh, shape.kw), axis=(2, 3))
    return seen[:, :, :: shape.strides[0], :: shape.strides[1]]


def data_of(shape: Pool2dShape, dtype: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(-128, 128, (shape.n, shape.c, shape.h, shape.w), np.int8)
    return values.astype(dtype)


def run(operator: CpuOperator, data: np.ndarray, expected: np.ndarray) -> np.ndarray:
    out = np.empty(expected.shape, data.dtype)
    build(operator)(data, out)
    return out


@EXAMPLES
@given(shapes(), st.sampled_from(("float32", "int8")), st.integers(0, 99))
def test_the_greatest_of_each_window(shape: Pool2dShape, dtype: str, seed: int) -> None:
    data = data_of(shape, dtype, seed)
    expected = windows(shape, data, -np.inf).max(axis=(4, 5))
    np.testing.assert_array_equal(run(max_pool2d(shape, dtype), data, expected), expected)


@EXAMPLES
@given(shapes(), st.sampled_from(("float32", "int8")), st.integers(0, 99))
def test_the_mean_of_each_window_with_padding_as_zeros(shape: Pool2dShape, dtype: str, seed: int) -> None:
    data = data_of(shape, dtype, seed)
    expected = windows(shape, data, 0).mean(axis=(4, 5))
    found = run(avg_pool2d(shape, dtype), data, expected)
    if dtype == "int8":
        np.testing.assert_array_less(np.abs(found - expected), 0.5 + 1e-6)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
