"""Operators on single elements: native code against NumPy, and NumPy's meaning against ONNX where they may differ."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.binary_functions import BINARY
from dovetail.compiler.graph.ops.elementwise import Binary, Cast, Clip, Unary, Where
from dovetail.compiler.graph.ops.kinds import FLOATS, INTEGERS, NUMBERS
from dovetail.compiler.graph.ops.unary_functions import UNARY
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.tir.dtypes import SCALARS, limits

from .running import compiled

EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 1e-4, -1e-9, 30.0, -80.0, 100.0, np.nan, np.inf, -np.inf]


def samples(dtype: str) -> NDArray:
    """Values of a type, its corners among them."""
    rng = np.random.default_rng(0)
    if dtype == "bool":
        return np.array([True, False, True])
    if dtype in FLOATS:
        return np.concatenate([rng.normal(size=20) * 3, rng.uniform(-1, 1, 10), SPECIAL]).astype(dtype)
    low, high = limits(dtype)
    corners = np.array([low, high, 0, 1, 3, 7, -1 if low else high - 1], dtype)
    return np.concatenate([rng.integers(low, high, 12, dtype, endpoint=True), corners])


def check(op: Op, *arrays: NDArray, ulps: int = 16) -> NDArray:
    """The output in NumPy, to which native code comes close; it is of the type that `infer` gives."""
    expected = op.evaluate(*arrays)
    assert TensorType.of(expected) == op.infer(*map(TensorType.of, arrays))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compiled(op, *arrays)
    tolerance = ulps * np.finfo(expected.dtype).eps if expected.dtype.name in FLOATS else 0
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)
    return expected


@pytest.mark.parametrize("function", UNARY)
def test_functions_of_one_element(function):
    for dtype in {UNARY[function].dtypes[0], *UNARY[function].dtypes[-2:]}:
        check(Unary(function=function), samples(dtype))


@pytest.mark.parametrize("function", sorted(set(BINARY) - {"pow", "shift_left", "shift_right"}))
def test_functions_of_two_elements(function):
    dtypes = BINARY[function].dtypes
    for dtype in {dtypes[0], *dtypes[-4:]}:
        values = samples(dtype)
        check(Binary(function=function), values[:, None].copy(), values)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_shifts_beyond_the_width_leave_nothing_but_the_sign(dtype):
    values, places = samples(dtype)[:, None].copy(), np.array([0, 1, 7, 8, 31, 32, 63, 64, 100], dtype)
    exact = values.astype(object)
    shifted = check(Binary(function="shift_right"), values, places)
    assert (shifted == (exact >> places.astype(object)).astype(dtype)).all()
    shifted = check(Binary(function="shift_left"), values, places)
    wrapped = (exact << places.astype(object)) % 2 ** (8 * values.itemsize)
    assert (shifted.astype(object) % 2 ** (8 * values.itemsize) == wrapped).all()


@pytest.mark.parametrize(("dtype", "exponent"), [("float32", "float32"), ("float64", "int64"), ("float32", "uint8")])
def test_powers_of_floats(dtype, exponent):
    exponents = np.array([0, 1, 2, 3, 5], exponent)
    powers = check(Binary(function="pow"), samples(dtype)[:, None].copy(), exponents)
    np.testing.assert_array_equal(powers[:, 1], samples(dtype))


def test_powers_of_integers_are_exact_up_to_two_to_the_53() -> None:
    base, exponents = np.arange(-7, 8, dtype=np.int64)[:, None].copy(), np.arange(0, 18, dtype=np.int32)
    powers = check(Binary(function="pow"), base, exponents)
    assert powers.tolist() == [[int(b) ** int(e) for e in exponents] for b in base[:, 0]]


def test_division_rounds_towards_zero_and_remainders_have_a_sign() -> None:
    a, b = (np.array(pair, np.int32) for pair in zip(*itertools.product([7, -7], [2, -2]), strict=True))
    assert check(Binary(function="div"), a, b).tolist() == [3, -3, -3, 3]
    assert check(Binary(function="fmod"), a, b).tolist() == [1, 1, -1, -1]
    assert check(Binary(function="mod"), a, b).tolist() == [1, -1, 1, -1]


@st.composite
def meeting(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Three shapes that broadcast, of up to three axes."""
    whole = draw(st.lists(st.integers(1, 4), max_size=3))
    shapes = []
    for _ in range(3):
        own = whole[draw(st.integers(0, len(whole))) :]
        shapes.append(tuple(draw(st.sampled_from([1, size])) for size in own))
    return tuple(shapes)


@EXAMPLES
@given(meeting(), st.sampled_from(SCALARS))
def test_shapes_broadcast(shapes, dtype):
    condition, one, other = (np.resize(samples("bool"), shape) for shape in shapes)
    one, other = np.resize(samples(dtype), one.shape), np.resize(samples(dtype)[1:], other.shape)
    np.testing.assert_array_equal(check(Where(), condition, one, other), np.where(condition, one, other))
    np.testing.assert_array_equal(check(Binary(function="equal"), one, other), one == other)


@pytest.mark.parametrize("source", SCALARS)
def test_casts(source):
    values = samples(source)
    for target in SCALARS:
        converted = check(Cast(dtype=target), values)
        if target not in INTEGERS:
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(converted, values.astype(target))
        else:
            held = np.isfinite(values) & (np.abs(values.astype(np.float64)) < 2**62)
            span = 2 ** (8 * converted.itemsize)
            wrapped = [int(value) % span for value in values[held]]
            assert [int(value) % span for value in converted[held]] == wrapped


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize(("minimum", "maximum"), [(0, 6), (None, 3), (-300, None), (5, 2), (None, None), (-0.5, 1e9)])
def test_clipping(dtype, minimum, maximum):
    values = samples(dtype)
    clipped = check(Clip(minimum=minimum, maximum=maximum), values)
    wide = np.longdouble if dtype in FLOATS else object
    expected = values.astype(wide)
    if minimum is not None:
        expected = np.maximum(expected, minimum if dtype in FLOATS else int(minimum))
    if maximum is not None:
        expected = np.minimum(expected, maximum if dtype in FLOATS else int(maximum))
    np.testing.assert_array_equal(clipped, expected.astype(dtype))


def test_what_is_not_a_number_stays_one() -> None:
    values = np.array([np.nan, 1, np.nan, -1], np.float32)
    for function in ("maximum", "minimum"):
        check(Binary(function=function), values, np.array([1, np.nan, np.nan, 0], np.float32))
    assert np.isnan(check(Clip(minimum=0, maximum=1), values)).tolist() == [True, False, True, False]
    assert np.isnan(check(Unary(function="relu"), values)).tolist() == [True, False, True, False]


def test_tensors_without_elements() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert Binary(function="add").evaluate(empty, np.ones((2, 1, 3), np.float32)).shape == (2, 0, 3)
    assert Unary(function="erf").evaluate(empty).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unary(function="cot"), "'cot' is no function of one operand; use one of abs, "),
        (lambda: Cast(dtype="float16"), "no dtype 'float16'"),
        (lambda: Unary(function="exp").infer(INT), "exp takes float32 or float64, not int32[2]; cast it"),
        (
            lambda: Binary(function="add").infer(INT, FLOAT),
            "add takes operands of one type, not int32[2] and float32",
        ),
        (lambda: Binary(function="less").infer(FLOAT, WIDE), "less: shapes [3] and [2, 4] do not broadcast"),
        (lambda: Where().infer(INT, INT, INT), "the condition of where takes bool, not int32[2]; cast it"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value).startswith(message)


INT, FLOAT, WIDE = TensorType((2,), "int32"), TensorType((3,), "float32"), TensorType((2, 4), "float32")
