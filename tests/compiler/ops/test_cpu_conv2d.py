"""Convolutions on the CPU against NumPy: float32 to rounding, int8 exactly, whatever shape and knobs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.cpu import (
    Conv2dKnobs,
    CpuOperator,
    Requantised,
    Unpack,
    build,
    conv2d_float32,
    conv2d_int8,
)
from dovetail.compiler.ops.cpu.knobs import Order, all_conv2d_knobs, misfit
from dovetail.compiler.ops.cpu.requantise import Form, Scale, form_of
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.reference import conv2d, requantise

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEWER = settings(EXAMPLES, max_examples=10)


def fitting(shape: Conv2dShape, lanes: int) -> list[Conv2dKnobs]:
    """All cuts whose tile fits the registers."""
    return [knobs for knobs in all_conv2d_knobs(shape, lanes) if misfit(shape, knobs) is None]


@st.composite
def shapes(draw) -> Conv2dShape:
    kh, kw = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    pads = tuple(draw(st.integers(0, 3)) for _ in range(4))
    groups = draw(st.sampled_from((1, 1, 2, 5)))
    windows = zip((kh, kw), dilation, pads[:2], pads[2:], strict=True)
    least = [(k - 1) * d + 1 - before - after for k, d, before, after in windows]
    h, w = (draw(st.integers(max(1, size), max(1, size) + 17)) for size in least)
    return Conv2dShape(
        n=draw(st.integers(1, 2)),
        h=h,
        w=w,
        ic=groups * draw(st.integers(1, 9)),
        oc=groups * draw(st.sampled_from((1, 3, 8, 16, 20, 32, 40))),
        kh=kh,
        kw=kw,
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        pads=pads,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def products(draw) -> Conv2dShape:
    """Of 1 x 1 kernels, with strides and without."""
    stride = draw(st.sampled_from((1, 1, 2, 3)))
    return Conv2dShape(
        n=draw(st.integers(1, 2)),
        h=draw(st.sampled_from((1, 4, 8, 9))),
        w=draw(st.sampled_from((4, 7, 8, 16))),
        ic=draw(st.integers(1, 9)),
        oc=draw(st.sampled_from((3, 16, 24, 32, 64))),
        kh=1,
        kw=1,
        strides=(stride, stride),
        pads=draw(st.sampled_from(((0, 0, 0, 0), (0, 1, 1, 0)))),
    )


def run(operator: CpuOperator, data: np.ndarray, *constants: np.ndarray, threads: int = 1) -> np.ndarray:
    out = np.empty(operator.shapes[-1], data.dtype)
    build(operator, threads)(data, *operator.pack(*constants), out)
    return out


def reference(shape: Conv2dShape, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return conv2d(data, weights, shape.strides, shape.pads, shape.dilation, shape.groups)


def int8_constants(shape: Conv2dShape, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (
        rng.integers(-128, 128, (shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.int8),
        rng.integers(-(2**31), 2**31, shape.oc, np.int32) >> rng.integers(0, 32, shape.oc, np.int32),
        rng.integers(-(2**31), 2**31, shape.oc, np.int32) >> rng.integers(0, 32, shape.oc, np.int32),
        rng.integers(0, 63, shape.oc, np.uint8),
    )


def check_float32(
    shape: Conv2dShape, rng: np.random.Generator, threads: int = 1, knobs: Conv2dKnobs | None = None
) -> None:
    data = rng.standard_normal((shape.n, shape.ic, shape.h, shape.w), np.float32)
    weights = rng.standard_normal((shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.float32)
    bias = rng.standard_normal(shape.oc, np.float32)
    found = run(conv2d_float32(shape, bias=True, relu=True, knobs=knobs), data, weights, bias, threads=threads)
    expected = np.maximum(reference(shape, data, weights) + bias[:, None, None], 0)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def check_int8(
    shape: Conv2dShape, rng: np.random.Generator, threads: int = 1, knobs: Conv2dKnobs | None = None
) -> None:
    data = rng.integers(-128, 128, (shape.n, shape.ic, shape.h, shape.w), np.int8)
    constants = int8_constants(shape, rng)
    result = Requantised(zero_point=int(rng.integers(-9, 9)), minimum=-100, maximum=120)
    found = run(conv2d_int8(shape, result, knobs=knobs), data, *constants, threads=threads)
    sums = reference(shape, data, constants[0])
    expected = requantise(sums, *constants[1:], zero_point=result.zero_point, minimum=-100, maximum=120)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@EXAMPLES
@given(shapes(), st.integers(0, 2**32 - 1), st.sampled_from((1, 2)))
def test_float32_convolutions_of_any_shape(shape: Conv2dShape, seed: int, threads: int) -> None:
    check_float32(shape, np.random.default_rng(seed), threads)


@EXAMPLES
@given(shapes(), st.integers(0, 2**32 - 1), st.sampled_from((1, 2)))
def test_int8_convolutions_of_any_shape_are_exact(shape: Conv2dShape, seed: int, threads: int) -> None:
    check_int8(shape, np.random.default_rng(seed), threads)


@EXAMPLES
@given(st.data(), st.integers(0, 2**32 - 1))
def test_every_setting_of_the_knobs_computes_the_same(data: st.DataObject, seed: int) -> None:
    shape = data.draw(st.one_of(shapes(), products()))
    knobs = data.draw(st.sampled_from(fitting(shape, data.draw(st.sampled_from((4, 8, 16))))))
    check_float32(shape, np.random.default_rng(seed), knobs=knobs)
    check_int8(shape, np.random.default_rng(seed), knobs=knobs)


@FEWER
@given(st.data(), st.integers(0, 2**32 - 1))
def test_rows_that_do_not_divide_the_output_are_filled_up(data: st.DataObject, seed: int) -> None:
    shape = data.draw(shapes())
    rows, cols = data.draw(st.sampled_from(((2, 3), (3, 2), (5, 1), (7, 4))))
    order, vectors = data.draw(st.sampled_from(Order)), data.draw(st.integers(1, 2))
    knobs = Conv2dKnobs(lanes=8, vectors=vectors, rows=rows, cols=cols, order=order)
    check_float32(shape, np.random.default_rng(seed), knobs=knobs)
    check_int8(shape, np.random.default_rng(seed), knobs=knobs)


@FEWER
@given(st.sampled_from((4, 16)), st.integers(0, 2**32 - 1), st.data())
def test_residuals_are_added_whatever_the_knobs(lanes: int, seed: int, data: st.DataObject) -> None:
    shape = Conv2dShape(h=8, w=6, ic=6, oc=64, kh=3, kw=3, pads=(1, 1, 1, 1), groups=2)
    rng = np.random.default_rng(seed)
    knobs = data.draw(st.sampled_from(fitting(shape, lanes)))
    inputs, residual = (rng.integers(-128, 128, (1, c, 8, 6), np.int8) for c in (6, 64))
    constants = int8_constants(shape, rng)
    operator = conv2d_int8(shape, Requantised(residual=Scale()), knobs=knobs)
    out = np.empty(operator.shapes[-1], np.int8)
    build(operator)(inputs, residual, *operator.pack(*constants), out)
    same = conv2d_int8(shape, Requantised(residual=Scale()))
    expected = np.empty(same.shapes[-1], np.int8)
    build(same)(inputs, residual, *same.pack(*constants), expected)
    np.testing.assert_array_equal(out.ravel(), expected.ravel())


def test_sums_that_cannot_saturate_or_tie_take_half_the_arithmetic(rng: np.random.Generator) -> None:
    shape = Conv2dShape(h=8, w=8, ic=16, oc=32, kh=3, kw=3, pads=(1, 1, 1, 1))
    data = rng.integers(-128, 128, (1, 16, 8, 8), np.int8)
    weights = rng.integers(-128, 128, (32, 16, 3, 3), np.int8)
    bias = rng.integers(-9999, 9999, 32, np.int32)
    multiplier = rng.integers(2**30, 2**31, 32, np.int32) | 1
    shift = rng.integers(38, 42, 32, np.uint8)
    assert form_of(weights, bias, multiplier, shift) is Form.FOLDED
    result = Requantised(zero_point=-7, form=Form.FOLDED)
    found = run(conv2d_int8(shape, result), data, weights, bias, multiplier, shift)
    expected = requantise(reference(shape, data, weights), bias, multiplier, shift, zero_point=-7)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("bias", "multiplier", "shift"),
    [(0, 2**30, 31), (2**31 - 1, 2**30 + 1, 40), (0, 1, 2), (0, 2**30 + 1, 55)],
    ids=["ties", "sum saturates", "small shift ties", "zero point out of int64"],
)
def test_constants_that_may_saturate_or_tie_do_not_fold(bias: int, multiplier: int, shift: int) -> None:
    weights = np.full((1, 4, 3, 3), 2, np.int8)
    constants = (weights, np.array([bias], np.int32), np.array([multiplier], np.int32), np.array([shift], np.uint8))
    assert form_of(*constants) is Form.ANY
    operator = conv2d_int8(Conv2dShape(h=3, w=3, ic=4, oc=1, kh=3, kw=3), Requantised(form=Form.FOLDED))
    with pytest.raises(OperatorError, match="use Form.ANY"):
        operator.pack(*constants)


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    shape = Conv2dShape(h=8, w=8, ic=8, oc=24, kh=3, kw=3)
    with pytest.raises(OperatorError, match="a multiple of 32 output channels in a group, not 24; use Unpack.END"):
        conv2d_float32(shape, knobs=Conv2dKnobs(unpack=Unpack.ROW))
    with pytest.raises(OperatorError, match="needs rows that divide the output's 6, not 4; use Unpack.END"):
        conv2d_float32(shape, knobs=Conv2dKnobs(lanes=8, vectors=1, cols=2, rows=4, unpack=Unpack.ROW))
    with pytest.raises(OperatorError, match="24 output channels in a group are no multiple of channels=16"):
        conv2d_float32(shape, knobs=Conv2dKnobs(over_channels=False, cols=1, channels=16))
    with pytest.raises(OperatorError, match="lanes over channels take channels=1, not 2; set vectors instead"):
        Conv2dKnobs(channels=2)
    with pytest.raises(OperatorError, match="a tile must be 1 to 28 vectors long, not 42"):
        Conv2dKnobs(cols=14, rows=3)
    with pytest.raises(OperatorError, match="vectors must be 1 to 4, not 5"):
        Conv2dKnobs(vectors=5)
    with pytest.raises(OperatorError, match="int32 cannot hold sums of 80000 products"):
        conv2d_int8(Conv2dShape(h=1, w=1, ic=80000, oc=16, kh=1, kw=1))
    with pytest.raises(OperatorError, match=r"weights must be float32 \(24, 8, 3, 3\), not float64 \(24, 8, 3, 3\)"):
        conv2d_float32(shape).pack(np.zeros((24, 8, 3, 3)))
