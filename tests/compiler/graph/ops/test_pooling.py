"""Pooling against ONNX Runtime, in NumPy and as native code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.types import TensorType
from tests.compiler.graph.ops.running import compiled, onnx_output

EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def entries(draw, count: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(low, high), min_size=count, max_size=count)))


@EXAMPLES
@given(st.data())
def test_windows_are_those_of_onnx_runtime(data) -> None:
    axes, function = data.draw(st.integers(1, 3)), data.draw(st.sampled_from(("max", "avg")))
    kernel, strides = entries(data.draw, axes, 1, 3), entries(data.draw, axes, 1, 3)
    dilations = entries(data.draw, axes, 1, 2) if function == "max" else (1,) * axes
    pads = tuple(data.draw(st.integers(0, size - 1)) for size in kernel * 2)
    counted = data.draw(st.booleans())
    x = np.random.default_rng(0).standard_normal((2, 3, *entries(data.draw, axes, 5, 8))).astype(np.float32)
    further = {"dilations": dilations} if function == "max" else {"count_include_pad": int(counted)}
    expected = onnx_output(
        "MaxPool" if function == "max" else "AveragePool",
        x,
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        ceil_mode=data.draw(st.integers(0, 1)),
        **further,
    )
    op = Pool(
        function=function,
        kernel=kernel,
        strides=strides,
        pads_begin=pads[:axes],
        pads_end=pads[axes:],
        dilations=dilations,
        count_include_pad=counted,
        out_shape=expected.shape[2:],
    )
    np.testing.assert_allclose(op.evaluate(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(compiled(op, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_padding_is_never_the_greatest_integer(dtype) -> None:
    lowest = np.iinfo(dtype).min
    x = np.full((1, 1, 2, 2), lowest, dtype)
    x[0, 0, 1, 1] = lowest + 3
    op = Pool(
        function="max",
        kernel=(2, 2),
        strides=(2, 2),
        pads_begin=(1, 1),
        pads_end=(1, 1),
        dilations=(1, 1),
        out_shape=(2, 2),
    )
    expected = [[[[lowest, lowest], [lowest, lowest + 3]]]]
    assert op.evaluate(x).tolist() == expected
    assert compiled(op, x).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"function": "median"}, TensorType((1, 1, 4), "float32"), "has the functions max and avg, not 'median'"),
        ({"function": "avg"}, TensorType((1, 1, 4), "int8"), r"avg cannot take int8\[1, 1, 4\]"),
        ({}, TensorType((1, 1, 4, 4), "float32"), r"kernel must be 2 numbers of at least 1, not \[2\]"),
        ({}, TensorType((1, 4), "float32"), "takes 1 to 3 spatial axes, not 0"),
    ],
)
def test_what_has_no_windows_is_refused(changes, kind, message) -> None:
    fields = dict(
        function="max", kernel=(2,), strides=(1,), pads_begin=(0,), pads_end=(0,), dilations=(1,), out_shape=(3,)
    )
    with pytest.raises(GraphError, match=message):
        Pool(**(fields | changes)).infer(kind)
