"""Reductions, searches and running sums: native code against NumPy, for all axes and types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.ops.kinds import FLOATS, NUMBERS
from dovetail.compiler.graph.ops.reduction import FUNCTIONS, ArgReduce, Cumulative, Reduce
from dovetail.compiler.graph.types import TensorType

from .running import compiled

EXAMPLES = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def array(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Small numbers with many that are equal; of floats, with fractions."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    values = rng.integers(0 if dtype.startswith("u") else -4, 5, shape)
    return (values / 4 if dtype in FLOATS else values).astype(dtype)


@EXAMPLES
@given(st.data(), SHAPES, st.sampled_from(FUNCTIONS), st.sampled_from(NUMBERS), st.booleans())
def test_reductions(data, shape, function, dtype, keepdims):
    values = array(data, shape, dtype)
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(0, len(shape)))]
    op = Reduce(function=function, axes=tuple(axes), keepdims=keepdims)
    expected = op.evaluate(values)
    wide = getattr(np, function)(values.astype(np.float64), axis=tuple(axes), keepdims=keepdims)
    if dtype in FLOATS:
        np.testing.assert_allclose(expected, wide, rtol=1e-6)
    elif np.abs(wide).max() < 128:
        np.testing.assert_array_equal(expected, np.trunc(wide))
    assert TensorType.of(expected) == op.infer(TensorType.of(values))
    np.testing.assert_allclose(compiled(op, values), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("function", "reference"), [("max", np.any), ("min", np.all)])
def test_extremes_of_booleans(function, reference):
    values = np.array([[True, False], [False, False], [True, True]])
    op = Reduce(function=function, axes=(1,), keepdims=False)
    np.testing.assert_array_equal(op.evaluate(values), reference(values, axis=1))
    np.testing.assert_array_equal(compiled(op, values), reference(values, axis=1))


@pytest.mark.parametrize(
    ("function", "dtype", "expected"),
    [
        ("sum", "float32", 0),
        ("prod", "int8", 1),
        ("max", "float32", -np.inf),
        ("max", "int8", -128),
        ("min", "uint8", 255),
    ],
)
def test_of_no_elements_there_is_what_changes_nothing(function, dtype, expected):
    op = Reduce(function=function, axes=(1,), keepdims=True)
    assert op.evaluate(np.zeros((2, 0), dtype)).tolist() == [[expected], [expected]]


@EXAMPLES
@given(st.data(), SHAPES, st.sampled_from(["max", "min"]), st.sampled_from(NUMBERS), st.booleans(), st.booleans())
def test_searches(data, shape, function, dtype, keepdims, last):
    values = array(data, shape, dtype)
    axis = data.draw(st.integers(0, len(shape) - 1))
    op = ArgReduce(function=function, axis=axis, keepdims=keepdims, last=last)
    found = op.evaluate(values)
    assert TensorType.of(found) == op.infer(TensorType.of(values))
    np.testing.assert_array_equal(compiled(op, values), found)
    rows = np.moveaxis(values, axis, -1)
    best = (rows.max if function == "max" else rows.min)(-1, keepdims=True)
    for row, place in zip((rows == best).reshape(-1, rows.shape[-1]), found.ravel(), strict=True):
        assert place == row.nonzero()[0][-1 if last else 0]


def test_a_search_among_what_is_not_a_number_stays_inside() -> None:
    values = np.full((3,), np.nan, np.float32)
    for last in (False, True):
        place = compiled(ArgReduce(function="max", axis=0, keepdims=False, last=last), values)
        assert 0 <= place < 3


@EXAMPLES
@given(st.data(), SHAPES, st.sampled_from(["sum", "prod"]), st.sampled_from(NUMBERS), st.booleans(), st.booleans())
def test_running_reductions(data, shape, function, dtype, exclusive, reverse):
    values = array(data, shape, dtype)
    axis = data.draw(st.integers(0, len(shape) - 1))
    op = Cumulative(function=function, axis=axis, exclusive=exclusive, reverse=reverse)
    found = op.evaluate(values)
    rows, results = (np.moveaxis(part, axis, 0) for part in (values, found))
    combine = np.sum if function == "sum" else np.prod
    for place in range(shape[axis]):
        part = rows[place + exclusive :] if reverse else rows[: place + (not exclusive)]
        np.testing.assert_allclose(results[place], combine(part, axis=0, dtype=dtype), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(compiled(op, values), found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reduce(function="median", axes=(), keepdims=True), "'median' is no reduction; use one of sum, "),
        (lambda: Reduce(function="sum", axes=(2,), keepdims=True).infer(SQUARE), "reduce: float32[2, 0] has no axis 2"),
        (lambda: Reduce(function="sum", axes=(1, 1), keepdims=True).infer(SQUARE), "reduce reduces over axis 1 twice"),
        (
            lambda: ArgReduce(function="max", axis=1, keepdims=True, last=False).infer(SQUARE),
            "argreduce: axis 1 of float32[2, 0] has no elements to choose from",
        ),
    ],
)
def test_refusals(make, message):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value).startswith(message)


SQUARE = TensorType((2, 0), "float32")
