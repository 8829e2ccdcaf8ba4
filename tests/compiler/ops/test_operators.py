"""Operators compute what they say: schedules of any knobs, interpreted, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail import reference
from dovetail.compiler.lower import lower
from dovetail.compiler.ops import (
    Conv2dShape,
    MatmulShape,
    Operator,
    OperatorError,
    Output,
    Pool2dShape,
    Scale,
    add,
    avg_pool2d,
    clip,
    conv2d,
    matmul,
    max_pool2d,
    relu,
    rescale,
)
from dovetail.compiler.ops.blocked import blocked_conv2d
from dovetail.compiler.ops.pool2d import reciprocal
from dovetail.compiler.tir import interpreter
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.isa.config import Config, load_config
from tests.compiler.ops.samples import conv2d_shapes, inputs_of, int8

CONFIGS = {name: load_config(name) for name in ("default", "tiny", "batch8")}
NAMES = st.sampled_from(sorted(CONFIGS))


def interpreted(operator: Operator, *inputs: NDArray[Any]) -> NDArray[Any]:
    program = lower(operator.schedule, operator.args)
    result = operator.run(lambda *arrays: interpreter.run(program, *arrays), *inputs)
    assert (result.shape, result.dtype.name) == (operator.output_shape, operator.output_dtype)
    return result


@given(conv2d_shapes(), NAMES, st.integers(-9, 9), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_convolutions_of_any_shape(shape: Conv2dShape, name: str, zero_point: int, seed: int) -> None:
    inputs, sums = inputs_of(shape, seed)
    operator = conv2d(shape, CONFIGS[name], output=Output(zero_point=zero_point, bounds=(-100, 99)))
    expected = reference.requantise(sums, *inputs[2:], zero_point=zero_point, minimum=-100, maximum=99)
    assert np.array_equal(interpreted(operator, *inputs), expected)
    raw = conv2d(shape, CONFIGS[name], output=None)
    assert np.array_equal(interpreted(raw, *inputs[:2]), sums)


SHAPE = Conv2dShape(h=7, w=6, ic=9, oc=6, kh=3, kw=3, strides=(2, 1), pads=(1, 1, 0, 1))
SPACES = {name: AcceleratorSpace(blocked_conv2d(SHAPE, CONFIGS[name]), CONFIGS[name]) for name in ("tiny", "batch8")}


@given(st.data(), st.sampled_from(sorted(SPACES)))
@settings(max_examples=30, deadline=None)
def test_knobs_change_the_schedule_but_not_the_result(data: st.DataObject, name: str) -> None:
    inputs, sums = inputs_of(SHAPE, 0)
    index = data.draw(st.integers(0, SPACES[name].size - 1))
    operator = conv2d(SHAPE, CONFIGS[name], knobs=SPACES[name].knobs(index))
    assert np.array_equal(interpreted(operator, *inputs), reference.requantise(sums, *inputs[2:]))


@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 40), NAMES)
@settings(max_examples=20, deadline=None)
def test_products_of_matrices(m: int, n: int, k: int, name: str) -> None:
    rng = np.random.default_rng(m)
    a, b = int8(rng, m, k), int8(rng, n, k)
    operator = matmul(MatmulShape(m=m, n=n, k=k), CONFIGS[name], output=None)
    assert np.array_equal(interpreted(operator, a, b), reference.matmul(a, b))


def test_a_convolution_of_few_channels_becomes_a_product() -> None:
    """With as many steps of the array as there are blocks of channels under the kernel, not one a tap."""
    shape = Conv2dShape(h=20, w=20, ic=3, oc=16, kh=5, kw=5, strides=(2, 2), pads=(2, 2, 2, 2))
    operator = conv2d(shape, CONFIGS["default"])
    assert [int(str(extent)) for extent in operator.args[0].shape] == [1, 80, 100, 1]
    inputs, sums = inputs_of(shape, 1)
    assert np.array_equal(interpreted(operator, *inputs), reference.requantise(sums, *inputs[2:]))


def test_padding_beyond_the_load_unit_is_left_to_the_host() -> None:
    shape = Conv2dShape(h=1, w=1, ic=16, oc=16, kh=3, kw=3, pads=(17, 0, 16, 2), dilation=(16, 1))
    inputs, sums = inputs_of(shape, 2)
    operator = conv2d(shape, CONFIGS["default"])
    assert np.array_equal(interpreted(operator, *inputs), reference.requantise(sums, *inputs[2:]))


def windows(data: NDArray[np.int8], shape: Pool2dShape, padding: int) -> NDArray[np.int64]:
    """[kh * kw, n, c, out_h, out_w]: all that each window sees."""
    top, left, bottom, right = shape.pads
    padded = np.pad(data, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=padding).astype(np.int64)
    rows, cols = shape.out_h * shape.strides[0], shape.out_w * shape.strides[1]
    return np.stack(
        [
            padded[:, :, dy : dy + rows : shape.strides[0], dx : dx + cols : shape.strides[1]][
                :, :, : shape.out_h, : shape.out_w
            ]
            for dy in range(shape.kh)
            for dx in range(shape.kw)
        ]
    )


POOLS = [
    Pool2dShape(n=2, c=5, h=6, w=7, kh=3, kw=2, strides=(2, 1), pads=(1, 1, 0, 0)),
    Pool2dShape(n=1, c=20, h=7, w=7, kh=7, kw=7),
    Pool2dShape(n=1, c=17, h=9, w=9, kh=3, kw=3, strides=(2, 2), pads=(1, 1, 1, 1)),
]


@pytest.mark.parametrize("name", sorted(CONFIGS))
@pytest.mark.parametrize("shape", POOLS, ids=str)
def test_pools(shape: Pool2dShape, name: str, rng: np.random.Generator) -> None:
    data = int8(rng, shape.n, shape.c, shape.h, shape.w)
    greatest = interpreted(max_pool2d(shape, CONFIGS[name]), data)
    assert np.array_equal(greatest, windows(data, shape, -128).max(0))
    mean = interpreted(avg_pool2d(shape, CONFIGS[name]), data)
    exact = windows(data, shape, 0).sum(0) / (shape.kh * shape.kw)
    tie = exact % 1 == 0.5
    assert np.array_equal(mean[~tie], np.rint(exact[~tie]))
    assert np.all(np.abs(mean - exact) <= 0.5)


@given(st.integers(1, 10_000))
def test_reciprocals_are_as_near_as_31_bits_allow(number: int) -> None:
    multiplier, shift = reciprocal(number)
    assert multiplier < 2**31
    assert abs(multiplier * number - 2**shift) <= number / 2


def rounded(value: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """value / 2**shift, ties to even; exact while the quotient has fewer than 53 bits."""
    return np.rint(value / 2.0**shift).astype(np.int64)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_sums_and_bounds(name: str, rng: np.random.Generator) -> None:
    config: Config = CONFIGS[name]
    shape = (3, 11, 4, 5)
    a, b = int8(rng, *shape), int8(rng, *shape)
    assert np.array_equal(interpreted(relu(shape, config), a), np.maximum(a, 0))
    assert np.array_equal(interpreted(clip(shape, config, -7, 6), a), np.clip(a, -7, 6))
    assert np.array_equal(interpreted(add(shape, config), a, b), np.clip(a.astype(int) + b, -128, 127))
    one, other = Scale(zero_point=3, multiplier=1 << 20, shift=14), Scale(zero_point=-5, multiplier=211, shift=2)
    output = Output(fraction=7, zero_point=4, bounds=(-90, 120))
    total = rounded((a.astype(np.int64) - 3) << 20, 14) + rounded((b.astype(np.int64) + 5) * 211, 2)
    expected = np.clip(rounded(total, 7) + 4, -90, 120)
    assert np.array_equal(interpreted(add(shape, config, one=one, other=other, output=output), a, b), expected)
    expected = np.clip(rounded(rounded((a.astype(np.int64) - 3) << 20, 14), 7) + 4, -90, 120)
    assert np.array_equal(interpreted(rescale(shape, config, scale=one, output=output), a), expected)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda c: clip((1, 4), c, 5, 4), "clip: the bounds must be int8 and in order, not 5 and 4"),
        (lambda c: relu((4,), c), "rescale: the shape needs samples and channels, not 1 axes"),
        (
            lambda c: add((1, 4), c, one=Scale(multiplier=-40000), other=Scale(multiplier=40000)),
            "add: multiplier of what is added 40000; a store takes -32768 to 32767",
        ),
        (
            lambda c: max_pool2d(Pool2dShape(c=4, h=20, w=20, kh=20, kw=20), c),
            "one output of a 20x20 window needs 400 input vectors; inp_depth=64",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(build: Any, message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        build(CONFIGS["tiny"])
    assert str(caught.value) == message
