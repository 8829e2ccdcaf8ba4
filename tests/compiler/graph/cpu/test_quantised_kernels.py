"""Quantised convolutions and products on the CPU: to the bit what their NumPy form says, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.ops.quantised import QConv2d, QMatmul, QMaxPool2d
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops.scales import Output, Scale
from tests.compiler.graph.cpu.running import computed

EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32 - 1)
int8 = st.integers(-128, 127)
scales = st.builds(
    Scale,
    zero_point=int8,
    multiplier=st.one_of(st.integers(-9, 9), st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1)),
    shift=st.integers(0, 40),
)
outputs = st.builds(
    Output,
    fraction=st.sampled_from((0, 0, 1, 5, 20)),
    zero_point=int8,
    bounds=st.sampled_from(((-128, 127), (0, 127), (-100, 3))),
)


def numbers(rng: np.random.Generator, *shape: int) -> NDArray:
    """int8: any, or all the greatest, the least, or both."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.choice([-128, 127], shape).astype(np.int8)
    return np.full(shape, 127, np.int8) if kind == 1 else rng.integers(-128, 128, shape).astype(np.int8)


def channels(rng: np.random.Generator, count: int, common: bool) -> list[NDArray]:
    """Bias, multiplier and shift: usual ones, or any, with ties and saturation."""
    if common:
        multiplier, shift = rng.integers(2**30, 2**31, count), rng.integers(36, 44, count)
        return [rng.integers(-999, 999, count, np.int32), multiplier.astype(np.int32), shift.astype(np.int32)]
    wide = [(rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 32, count)).astype(np.int32) for _ in range(2)]
    if rng.integers(2):
        wide[1] = (1 << rng.integers(0, 31, count)).astype(np.int32)
    return [*wide, rng.integers(0, 64, count).astype(np.int32)]


@EXAMPLES
@given(
    seed=SEEDS,
    output=st.none() | outputs,
    residual=st.none() | scales,
    zero_point=int8,
    groups=st.sampled_from((1, 1, 2, 6)),
    oc=st.sampled_from((1, 5, 16, 32, 40)),
    ic=st.integers(1, 7),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    common=st.booleans(),
    threads=st.sampled_from((1, 2)),
)
def test_convolutions_are_exact(
    seed, output, residual, zero_point, groups, oc, ic, kernel, size, strides, pads, common, threads
) -> None:
    rng = np.random.default_rng(seed)
    op = QConv2d(
        strides=strides,
        pads=pads,
        groups=groups,
        zero_point=zero_point,
        output=output,
        residual=residual if output is not None else None,
    )
    arrays = [numbers(rng, 2, ic * groups, *size), numbers(rng, oc * groups, ic, *kernel)]
    try:
        shape = op.shape(*map(TensorType.of, arrays))
    except GraphError:
        assume(False)
    if output is not None:
        arrays += channels(rng, oc * groups, common)
    if op.residual is not None:
        arrays.append(numbers(rng, 2, oc * groups, shape.out_h, shape.out_w))
    np.testing.assert_array_equal(computed(op, arrays, (1, 2, 3, 4), threads), op.evaluate(*arrays))


@EXAMPLES
@given(
    seed=SEEDS,
    output=st.none() | outputs,
    residual=st.none() | scales,
    lead=st.lists(st.integers(1, 3), max_size=2),
    m=st.integers(1, 20),
    n=st.sampled_from((1, 7, 16, 32, 50)),
    k=st.integers(1, 40),
    constant=st.booleans(),
    common=st.booleans(),
)
def test_products_are_exact_whether_or_not_weights_are_constant(
    seed, output, residual, lead, m, n, k, constant, common
) -> None:
    rng = np.random.default_rng(seed)
    op = QMatmul(output=output, residual=residual if output is not None else None)
    arrays = [numbers(rng, *lead, m, k), numbers(rng, *([] if constant else lead), n, k)]
    if output is not None:
        arrays += channels(rng, n, common)
    if op.residual is not None:
        arrays.append(numbers(rng, *lead, m, n))
    places = (1, 2, 3, 4) if constant else (2, 3, 4)
    np.testing.assert_array_equal(computed(op, arrays, places), op.evaluate(*arrays))


@pytest.mark.parametrize("shift", [0, 1, 30, 31, 54, 55, 61, 62, 63])
@pytest.mark.parametrize("multiplier", [-(2**31), -1, 1, 3, 2**30, 2**31 - 1])
def test_every_shift_rounds_saturates_and_adds_like_the_accelerator(shift: int, multiplier: int) -> None:
    """One product a channel, from the least sum to the greatest."""
    sums = np.array([-(2**31), -(2**31) + 1, -(2**30), -3, -2, -1, 0, 1, 2, 3, 2**30, 2**31 - 1], np.int64)
    bias = (sums - 1).clip(-(2**31), 2**31 - 1).astype(np.int32)
    count = len(sums)
    arrays = [
        np.ones((1, 1, 1, 1), np.int8),
        np.ones((count, 1, 1, 1), np.int8),
        bias,
        np.full(count, multiplier, np.int32),
        np.full(count, shift, np.int32),
        np.resize(np.array([-128, 127, 0, 1], np.int8), (1, count, 1, 1)),
    ]
    for fraction, factor in ((0, 1), (0, -(2**31)), (4, -3), (31, 2**31 - 1)):
        op = QConv2d(output=Output(fraction=fraction, zero_point=-7), residual=Scale(multiplier=factor, shift=1))
        np.testing.assert_array_equal(computed(op, arrays, (1, 2, 3, 4)), op.evaluate(*arrays))


def test_maxima_of_windows_are_those_of_numpy(rng: np.random.Generator) -> None:
    op = QMaxPool2d(kernel=(3, 2), strides=(2, 1), pads=(1, 0, 1, 1))
    data = rng.integers(-128, 128, (2, 5, 9, 17)).astype(np.int8)
    np.testing.assert_array_equal(computed(op, [data]), op.evaluate(data))
