"""Operators on int8: their NumPy form against exact whole numbers, and the compiled form against both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail import reference
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.quantised import (
    Dequantize,
    QAdd,
    QAvgPool2d,
    QConv2d,
    QMatmul,
    QMaxPool2d,
    QRescale,
    Quantize,
    Requantise,
)
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops.scales import Output, Scale
from tests.compiler.graph.ops.running import compiled, onnx_output
from tests.compiler.graph.test_arithmetic import added, nearest, saturated, stored
from tests.compiler.graph.vdla.samples import KINDS, Sample

Array = NDArray[Any]
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def window_sums(data: Array, op: QAvgPool2d | QMaxPool2d, padding: float, function: str) -> Array:
    """`function` of what each window sees."""
    top, left, bottom, right = op.pads
    seen = np.pad(data.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=padding)
    (kh, kw), (dy, dx) = op.kernel, op.strides
    rows, columns = range(0, seen.shape[2] - kh + 1, dy), range(0, seen.shape[3] - kw + 1, dx)
    found = [[getattr(seen[:, :, y : y + kh, x : x + kw], function)(axis=(2, 3)) for x in columns] for y in rows]
    return np.moveaxis(np.array(found), (0, 1), (2, 3))


def requantised(
    sums: Array, axis: int, scales: list[Array], output: Output, other: Array, scale: Scale | None
) -> Array:
    """Element by element in Python."""
    result = np.zeros(sums.shape, np.int8)
    for at in np.ndindex(*sums.shape):
        bias, multiplier, shift = (int(part[at[axis]]) for part in scales)
        value = saturated(nearest(saturated(int(sums[at]) + bias) * multiplier, shift))
        result[at] = stored(value + (added(int(other[at]), scale) if scale is not None else 0), output)
    return result


def elementwise(output: Output, *parts: tuple[Array, Scale]) -> Array:
    """Sums of scaled parts, element by element in Python."""
    result = np.zeros(parts[0][0].shape, np.int8)
    for at in np.ndindex(*result.shape):
        result[at] = stored(sum(added(int(array[at]), scale) for array, scale in parts), output)
    return result


def expected(op: Op, arrays: list[Array]) -> Array:
    """From Python's whole numbers and NumPy's float64, which holds all sums exactly."""
    match op:
        case QConv2d() | QMatmul():
            if isinstance(op, QConv2d):
                top, left, bottom, right = op.pads
                ends = ((0, 0), (0, 0), (top, bottom), (left, right))
                seen, axis = np.pad(arrays[0], ends, constant_values=op.zero_point), 1
                sums = reference.conv2d(seen, arrays[1], op.strides, (0, 0, 0, 0), op.dilation, op.groups)
            else:
                sums, axis = np.einsum("...mk,...nk->...mn", *(one.astype(np.float64) for one in arrays[:2])), -1
            if op.output is None:
                return sums.astype(np.int32)
            return requantised(sums, axis, arrays[2:5], op.output, arrays[-1], op.residual)
        case Requantise():
            return requantised(arrays[0], op.axis, arrays[1:], op.output, arrays[0], None)
        case QMaxPool2d():
            return window_sums(arrays[0], op, -np.inf, "max").clip(-128).astype(np.int8)
        case QAvgPool2d():
            sums = window_sums(arrays[0], op, op.zero_point, "sum")
            return elementwise(op.output, (sums, op.scale))
        case QAdd():
            return elementwise(op.output, (arrays[0], op.one), (arrays[1], op.other))
        case QRescale():
            return elementwise(op.output, (arrays[0], op.scale))
    raise AssertionError(op)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_numpy_form_is_exact(kind: str, data: st.DataObject) -> None:
    sample: Sample = data.draw(KINDS[kind]())
    result = sample.op.evaluate(*sample.arrays)
    assert TensorType.of(result) == sample.op.infer(*map(TensorType.of, sample.arrays))
    assume(result.size <= 1500)
    np.testing.assert_array_equal(result, expected(sample.op, sample.arrays))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@FEW
def test_the_compiled_form_is_the_numpy_form(kind: str, data: st.DataObject) -> None:
    sample: Sample = data.draw(KINDS[kind]())
    np.testing.assert_array_equal(compiled(sample.op, *sample.arrays), sample.op.evaluate(*sample.arrays))


@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    channels=st.booleans(),
    dtype=st.sampled_from(["int8", "uint8", "int16", "uint16"]),
    seed=st.integers(0, 999),
)
@FEW
def test_scales_are_those_of_onnx_runtime(shape: list[int], channels: bool, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axis = int(rng.integers(len(shape))) if channels else None
    size = () if axis is None else shape[axis]
    scale = np.asarray(rng.choice([0.5, 0.1, 3.0], size), np.float32)
    bounds = np.iinfo(dtype)
    zero = np.asarray(rng.integers(bounds.min, bounds.max, size, endpoint=True), dtype)
    extremes = np.array([0.25, -0.25, 1.5, np.inf, -np.inf, 3e9, -3e9], np.float32)
    values = np.where(rng.random(shape) < 0.5, rng.choice(extremes, shape), rng.normal(0, 300, shape)).astype(
        np.float32
    )
    attributes = {} if axis is None else {"axis": axis}
    integers = onnx_output("QuantizeLinear", values, scale, zero, **attributes)
    np.testing.assert_array_equal(Quantize(axis=axis).evaluate(values, scale, zero), integers)
    numbers = onnx_output("DequantizeLinear", integers, scale, zero, **attributes)
    np.testing.assert_array_equal(Dequantize(axis=axis).evaluate(integers, scale, zero), numbers)
    if values.size:
        np.testing.assert_array_equal(compiled(Quantize(axis=axis), values, scale, zero), integers)
        np.testing.assert_array_equal(compiled(Dequantize(axis=axis), integers, scale, zero), numbers)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_what_is_not_a_number_is_quantised_to_the_zero_point(dtype: str) -> None:
    arrays = np.array([np.nan, 0.5], np.float32), np.asarray(0.5, np.float32), np.asarray(5, dtype)
    assert Quantize().evaluate(*arrays).tolist() == compiled(Quantize(), *arrays).tolist() == [5, 6]


IMAGE, WEIGHT, CHANNELS = (TensorType(shape, "int8") for shape in ((1, 4, 5, 5), (6, 4, 3, 3), (6,)))
SCALES = [TensorType((6,), "int32")] * 3
FLOATS = TensorType((2, 3), "float32")


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        (QConv2d(), [FLOATS, WEIGHT], "qconv2d takes int8 of four axes, not float32[2, 3] and int8[6, 4, 3, 3]"),
        (
            QConv2d(groups=3),
            [IMAGE, WEIGHT],
            "qconv2d: 4 channels in 3 groups need weights for them, not int8[6, 4, 3, 3]",
        ),
        (QConv2d(output=Output()), [IMAGE, WEIGHT], "qconv2d with these attributes takes 5 operands, not 2"),
        (
            QConv2d(output=Output()),
            [IMAGE, WEIGHT, CHANNELS, *SCALES[1:]],
            "qconv2d: bias must be int32[6], not int8[6]",
        ),
        (
            QConv2d(output=Output(), residual=Scale()),
            [IMAGE, WEIGHT, *SCALES, IMAGE],
            "qconv2d: the residual must be int8[1, 6, 3, 3], not int8[1, 4, 5, 5]",
        ),
        (
            QMatmul(),
            [TensorType((2, 3, 4), "int8"), TensorType((3, 5, 4), "int8")],
            "qmatmul: weight for int8[2, 3, 4] must be int8 [n, 4], alone or for each of [2], not int8[3, 5, 4]",
        ),
        (
            Requantise(axis=2, output=Output()),
            [TensorType((2, 6), "int32"), *SCALES],
            "requantise takes int32 with channels on axis 2, not int32[2, 6]",
        ),
        (
            QAdd(),
            [IMAGE, WEIGHT],
            "qadd takes two int8 tensors of one shape, not int8[1, 4, 5, 5] and int8[6, 4, 3, 3]",
        ),
        (QRescale(), [FLOATS], "qrescale takes int8, not float32[2, 3]"),
        (QMaxPool2d(kernel=(2, 2)), [CHANNELS], "qmaxpool2d takes int8 of four axes, not int8[6]"),
        (Quantize(axis=2), [FLOATS, FLOATS, CHANNELS], "quantize: float32[2, 3] has no axis 2"),
        (
            Dequantize(),
            [IMAGE, TensorType((), "float32"), TensorType((), "uint8")],
            "dequantize takes integers and a zero point of their type, not int8[1, 4, 5, 5] and uint8[]",
        ),
    ],
)
def test_operands_that_do_not_fit_are_named(op: Op, types: list[TensorType], message: str) -> None:
    with pytest.raises(GraphError) as error:
        op.infer(*types)
    assert str(error.value) == message
