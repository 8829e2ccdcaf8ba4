"""Operators through the whole compiler, on the functional simulator, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dovetail as t
from dovetail import reference
from dovetail.compiler.ops import (
    Conv2dShape,
    MatmulShape,
    Operator,
    Output,
    Pool2dShape,
    Scale,
    add,
    avg_pool2d,
    clip,
    conv2d,
    matmul,
    max_pool2d,
)
from dovetail.isa.config import load_config
from tests.compiler.ops.samples import conv2d_shapes, inputs_of, int8

CONFIGS = {name: load_config(name) for name in ("default", "tiny", "batch8")}
NAMES = st.sampled_from(sorted(CONFIGS))


def simulated(operator: Operator, name: str, *inputs: NDArray[Any]) -> NDArray[Any]:
    function = t.build(operator.schedule, operator.args, target=f"vdla:{name}")
    return operator.run(function, *inputs)


@given(conv2d_shapes(size=12, channels=40, kernel=7), NAMES, st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_convolutions(shape: Conv2dShape, name: str, seed: int) -> None:
    inputs, sums = inputs_of(shape, seed)
    result = simulated(conv2d(shape, CONFIGS[name], output=Output(zero_point=3, bounds=(-120, 110))), name, *inputs)
    expected = reference.requantise(sums, *inputs[2:], zero_point=3, minimum=-120, maximum=110)
    assert np.array_equal(result, expected)


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 90), NAMES)
@settings(max_examples=15, deadline=None)
def test_products_of_matrices(m: int, n: int, k: int, name: str) -> None:
    rng = np.random.default_rng(m)
    a, b = int8(rng, m, k), int8(rng, n, k)
    result = simulated(matmul(MatmulShape(m=m, n=n, k=k), CONFIGS[name], output=None), name, a, b)
    assert np.array_equal(result, reference.matmul(a, b))


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_what_the_alu_and_the_store_unit_compute(name: str, rng: np.random.Generator) -> None:
    config = CONFIGS[name]
    a, b = int8(rng, 2, 11, 9, 8), int8(rng, 2, 11, 9, 8)
    assert np.array_equal(simulated(clip(a.shape, config, -5, 90), name, a), np.clip(a, -5, 90))
    one, other = Scale(multiplier=3, zero_point=4), Scale(multiplier=-2, zero_point=-7)
    total = 3 * (a.astype(np.int64) - 4) - 2 * (b.astype(np.int64) + 7)
    expected = np.clip(np.rint(total / 8), -128, 127)
    result = simulated(add(a.shape, config, one=one, other=other, output=Output(fraction=3)), name, a, b)
    assert np.array_equal(result, expected)
    pool = Pool2dShape(n=2, c=11, h=9, w=8, kh=3, kw=3, strides=(2, 2), pads=(1, 1, 1, 1))
    padded = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-128)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    assert np.array_equal(simulated(max_pool2d(pool, config), name, a), seen.max((-2, -1)))
    whole = Pool2dShape(n=2, c=11, h=9, w=7, kh=9, kw=7)
    mean = simulated(avg_pool2d(whole, config), name, a[..., :7])
    assert np.array_equal(mean[..., 0, 0], np.rint(a[..., :7].astype(np.int64).sum((2, 3)) / 63))
