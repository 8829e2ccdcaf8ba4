"""Matrix products on the CPU against NumPy: float32 to rounding, int8 exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.cpu import Requantised, build, matmul_float32, matmul_int8
from dovetail.compiler.ops.shapes import MatmulShape
from dovetail.reference import matmul, requantise

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SHAPES = st.builds(MatmulShape, m=st.integers(1, 40), n=st.integers(1, 80), k=st.integers(1, 50))


@EXAMPLES
@given(SHAPES, st.integers(0, 2**32 - 1), st.sampled_from((1, 2)))
def test_float32_products_of_any_shape(shape: MatmulShape, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    data, weights = (rng.standard_normal((rows, shape.k), np.float32) for rows in (shape.m, shape.n))
    bias = rng.standard_normal(shape.n, np.float32)
    operator = matmul_float32(shape, bias=True, relu=True)
    out = np.empty((shape.m, shape.n), np.float32)
    build(operator, threads)(data, *operator.pack(weights, bias), out)
    np.testing.assert_allclose(out, np.maximum(matmul(data, weights) + bias, 0), rtol=1e-4, atol=1e-4)


@EXAMPLES
@given(SHAPES, st.integers(0, 2**32 - 1), st.sampled_from((1, 2)))
def test_int8_products_of_any_shape_are_exact(shape: MatmulShape, seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    data, weights = (rng.integers(-128, 128, (rows, shape.k), np.int8) for rows in (shape.m, shape.n))
    bias, multiplier = (
        rng.integers(-(2**31), 2**31, shape.n, np.int32) >> rng.integers(0, 32, shape.n, np.int32) for _ in range(2)
    )
    shift = rng.integers(0, 63, shape.n, np.uint8)
    operator = matmul_int8(shape, Requantised(zero_point=3, minimum=0))
    out = np.empty((shape.m, shape.n), np.int8)
    build(operator, threads)(data, *operator.pack(weights, bias, multiplier, shift), out)
    expected = requantise(matmul(data, weights), bias, multiplier, shift, zero_point=3, minimum=0)
    np.testing.assert_array_equal(out, expected)
