"""Convolutions and matrix products against ONNX Runtime and NumPy, in NumPy and as native code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.ops.linear import Conv, ConvTranspose, MatMul
from dovetail.compiler.graph.types import TensorType
from tests.compiler.graph.ops.running import compiled, onnx_output

EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def entries(draw, count: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(low, high), min_size=count, max_size=count)))


@EXAMPLES
@given(st.data())
def test_a_convolution_is_that_of_onnx_runtime(data) -> None:
    axes, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel = entries(data.draw, axes, 1, 3)
    op = Conv(
        strides=entries(data.draw, axes, 1, 3),
        pads_begin=entries(data.draw, axes, 0, 2),
        pads_end=entries(data.draw, axes, 0, 2),
        dilations=entries(data.draw, axes, 1, 2),
        groups=groups,
    )
    depth, channels = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    x = numbers(1, 2, groups * depth, *entries(data.draw, axes, 5, 7))
    operands = (x, numbers(2, groups * channels, depth, *kernel), numbers(3, groups * channels))
    operands = operands[: data.draw(st.integers(2, 3))]
    expected = onnx_output(
        "Conv",
        *operands,
        strides=op.strides,
        pads=(*op.pads_begin, *op.pads_end),
        dilations=op.dilations,
        group=groups,
    )
    np.testing.assert_allclose(op.evaluate(*operands), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(compiled(op, *operands), expected, rtol=1e-4, atol=1e-5)


@EXAMPLES
@given(st.data())
def test_a_transposed_convolution_is_that_of_onnx_runtime(data) -> None:
    axes, groups = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    kernel, strides = entries(data.draw, axes, 1, 3), entries(data.draw, axes, 1, 3)
    dilations = entries(data.draw, axes, 1, 2)
    spatial = entries(data.draw, axes, 3, 5)
    begin, end = entries(data.draw, axes, 0, 1), entries(data.draw, axes, 0, 1)
    extra = tuple(data.draw(st.integers(0, stride - 1)) for stride in strides)
    sizes = tuple(
        (size - 1) * stride + (taps - 1) * dilation + 1 - before - after + more
        for size, stride, taps, dilation, before, after, more in zip(
            spatial, strides, kernel, dilations, begin, end, extra, strict=True
        )
    )
    op = ConvTranspose(
        strides=strides, pads_begin=begin, output_shape_spatial=sizes, dilations=dilations, groups=groups
    )
    depth, channels = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    operands = (
        numbers(1, 2, groups * depth, *spatial),
        numbers(2, groups * depth, channels, *kernel),
        numbers(3, groups * channels),
    )[: data.draw(st.integers(2, 3))]
    expected = onnx_output(
        "ConvTranspose",
        *operands,
        strides=strides,
        pads=(*begin, *end),
        output_padding=extra,
        dilations=dilations,
        group=groups,
    )
    np.testing.assert_allclose(op.evaluate(*operands), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(compiled(op, *operands), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((2, 3), (3, 4)),
        ((2, 1, 2, 3), (5, 3, 4)),
        ((1, 2, 3), (4, 3, 1)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_matrix_product_follows_the_rules_of_numpy(one, other, dtype) -> None:
    rng = np.random.default_rng(0)
    operands = [rng.integers(-9, 9, shape).astype(dtype) for shape in (one, other)]
    expected = np.matmul(*operands)
    found = MatMul().evaluate(*operands)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(compiled(MatMul(), *operands), expected)


def test_integers_wrap_and_empty_operands_give_empty_sums() -> None:
    large = np.full((1, 2), 2**30, np.int32)
    np.testing.assert_array_equal(MatMul().evaluate(large, large.T), [[0]])
    assert MatMul().evaluate(np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)).tolist() == [[0.0] * 3] * 2
    conv = Conv(strides=(1,), pads_begin=(0,), pads_end=(0,), dilations=(1,))
    assert conv.evaluate(np.zeros((0, 2, 5), np.float32), np.zeros((3, 2, 3), np.float32)).shape == (0, 3, 3)


CONV = dict(strides=(1, 1), pads_begin=(0, 0), pads_end=(0, 0), dilations=(1, 1))


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (Conv(**CONV), [(1, 4, 5, 5), (8, 3, 3, 3)], "conv: 4 channels in 1 groups do not fit the weight"),
        (Conv(**CONV), [(1, 3, 2, 5), (8, 3, 3, 3)], r"the kernel \[3, 3\] is larger than the padded input"),
        (Conv(**CONV), [(1, 3, 5, 5), (8, 3, 3, 3), (4,)], r"the bias must be float32\[8\]"),
        (Conv(**CONV), [(1, 3, 5), (8, 3, 3)], r"strides must be 1 numbers of at least 1, not \[1, 1\]"),
        (MatMul(), [(2, 3), (4, 3)], "the inner extents must be equal"),
        (MatMul(), [(2, 1, 3), (3, 3, 4)], "the leading axes of .* cannot be broadcast"),
    ],
)
def test_operands_that_do_not_fit_are_refused(op, shapes, message) -> None:
    with pytest.raises(GraphError, match=message):
        op.infer(*(TensorType(shape, "float32") for shape in shapes))
