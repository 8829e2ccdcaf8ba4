"""Operators that move elements: native code and their meaning, both against NumPy's own indexing."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.movement import (
    Concat,
    Expand,
    Gather,
    GatherElements,
    GatherND,
    Pad,
    Reshape,
    Slice,
    Tile,
    Transpose,
)
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.tir.dtypes import SCALARS

from .running import compiled

EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZES = st.integers(0, 5)
DTYPES = st.sampled_from(SCALARS)


def shapes(least: int = 0, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(SIZES, min_size=least, max_size=most).map(tuple)


def numbered(shape: tuple[int, ...], dtype: str = "int32") -> np.ndarray:
    """An array whose elements differ, as far as their type lets them."""
    return np.arange(prod(shape)).reshape(shape).astype(dtype)


def check(op: Op, expected: np.ndarray, *arrays: np.ndarray) -> None:
    """The operator gives `expected` in NumPy and as native code, which there is where there are elements."""
    result = op.evaluate(*arrays)
    assert TensorType.of(result) == TensorType.of(expected) == op.infer(*map(TensorType.of, arrays))
    np.testing.assert_array_equal(result, expected)
    if expected.size and all(array.size for array in arrays):
        np.testing.assert_array_equal(compiled(op, *arrays), expected)


@EXAMPLES
@given(st.data(), shapes(), DTYPES)
def test_reshape(data, shape, dtype):
    sizes = [size for size in shape if size != 1]
    if len(sizes) > 1 and data.draw(st.booleans()):
        sizes = [sizes[0] * sizes[1], *sizes[2:]]
    target = data.draw(st.permutations([*sizes, *[1] * data.draw(st.integers(0, 2))]))
    values = numbered(shape, dtype)
    check(Reshape(shape=tuple(target)), values.reshape(target), values)


@EXAMPLES
@given(st.data(), shapes(), DTYPES)
def test_transpose(data, shape, dtype):
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    values = numbered(shape, dtype)
    check(Transpose(order=order), values.transpose(order), values)


@EXAMPLES
@given(st.data(), shapes(most=3))
def test_expand(data, shape):
    leading = data.draw(shapes(most=1))
    target = (*leading, *(data.draw(SIZES) if size == 1 else size for size in shape))
    values = numbered(shape)
    check(Expand(shape=target), np.broadcast_to(values, target), values)


@EXAMPLES
@given(st.data(), shapes(least=1, most=3), st.integers(1, 4), DTYPES)
def test_concat(data, shape, count, dtype):
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts = [numbered((*shape[:axis], data.draw(SIZES), *shape[axis + 1 :]), dtype) for _ in range(count)]
    check(Concat(axis=axis), np.concatenate(parts, axis), *parts)


@EXAMPLES
@given(st.data(), shapes())
def test_slice(data, shape):
    cuts, ranges = [], []
    for size in shape:
        step = data.draw(st.sampled_from([-2, -1, 1, 2, 3]))
        cut = slice(data.draw(st.integers(0, size)), data.draw(st.none() | st.integers(0, size)), step)
        cuts.append(cut)
        ranges.append(range(*cut.indices(size)))
    values = numbered(shape)
    op = Slice(
        starts=tuple(places.start for places in ranges),
        sizes=tuple(map(len, ranges)),
        steps=tuple(places.step for places in ranges),
    )
    check(op, values[tuple(cuts)], values)


@EXAMPLES
@given(st.data(), shapes(most=3), st.sampled_from(["constant", "reflect", "edge", "wrap"]), DTYPES)
def test_pad(data, shape, mode, dtype):
    most = [7 if size or mode == "constant" else 0 for size in shape]
    before, after = (tuple(data.draw(st.integers(0, end)) for end in most) for _ in range(2))
    values = numbered(shape, dtype)
    ends = list(zip(before, after, strict=True))
    more = {"constant_values": 1} if mode == "constant" else {}
    expected = np.pad(values, ends, mode, **more) if shape else values
    check(Pad(before=before, after=after, mode=mode, value=1), expected, values)


@EXAMPLES
@given(st.data(), shapes(most=3), DTYPES)
def test_tile(data, shape, dtype):
    repeats = tuple(data.draw(st.integers(0, 3)) for _ in shape)
    values = numbered(shape, dtype)
    check(Tile(repeats=repeats), np.tile(values, repeats), values)


def chosen(data: st.DataObject, shape: tuple[int, ...], size: int) -> np.ndarray:
    """Indices for an axis of that size, negative ones among them."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    return rng.integers(-size, size, shape).astype(data.draw(st.sampled_from(["int32", "int64"]), label="dtype"))


FILLED = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@EXAMPLES
@given(st.data(), FILLED, shapes(most=2), DTYPES)
def test_gather(data, shape, places, dtype):
    axis = data.draw(st.integers(0, len(shape) - 1))
    values, indices = numbered(shape, dtype), chosen(data, places, shape[axis])
    check(Gather(axis=axis), values.take(indices, axis), values, indices)


@EXAMPLES
@given(st.data(), FILLED)
def test_gather_elements(data, shape):
    axis = data.draw(st.integers(0, len(shape) - 1))
    places = tuple(data.draw(st.integers(0, 5 if at == axis else size)) for at, size in enumerate(shape))
    values, indices = numbered(shape), chosen(data, places, shape[axis])
    expected = np.zeros(places, values.dtype)
    for at in np.ndindex(places):
        expected[at] = values[(*at[:axis], indices[at], *at[axis + 1 :])]
    check(GatherElements(axis=axis), expected, values, indices)


@EXAMPLES
@given(st.data(), FILLED, shapes(most=2))
def test_gather_nd(data, shape, places):
    batch = data.draw(st.integers(0, len(shape) - 1))
    depth = data.draw(st.integers(1, len(shape) - batch))
    lead = (*shape[:batch], *places)
    columns = [chosen(data, lead, size).astype(np.int64) for size in shape[batch : batch + depth]]
    values, indices = numbered(shape), np.stack(columns, -1)
    expected = np.zeros((*lead, *shape[batch + depth :]), values.dtype)
    for at in np.ndindex(lead):
        expected[at] = values[(*at[:batch], *indices[at])]
    check(GatherND(batch_dims=batch), expected, values, indices)


def test_indices_outside_of_the_data_choose_its_ends() -> None:
    values, indices = numbered((4,)), np.array([9, -9, 2**40, -(2**40)], np.int64)
    check(Gather(axis=0), np.array([3, 0, 3, 0], np.int32), values, indices)
    check(GatherElements(axis=0), np.array([3, 0, 3, 0], np.int32), values, indices)
    check(GatherND(), np.array([3, 0, 3, 0], np.int32), values, indices[:, None])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reshape(shape=(5,)).infer(DATA), "reshape: float32[2, 3] has 6 elements, float32[5] 5"),
        (
            lambda: Transpose(order=(0, 0)).infer(DATA),
            "transpose: order [0, 0] does not name each axis of float32[2",
        ),
        (lambda: Expand(shape=(2, 1)).infer(DATA), "expand: float32[2, 3] does not broadcast to [2, 1]"),
        (
            lambda: Concat(axis=0).infer(DATA, OTHER),
            "concat along axis 0: float32[2, 3] and float32[2, 4] differ",
        ),
        (
            lambda: Slice(starts=(0, 2), sizes=(2, 2), steps=(1, 1)).infer(DATA),
            "slice: from 2 to 3 is outside of axis 1 of float32[2, 3]",
        ),
        (lambda: Pad(before=(0,), after=(0,), mode="mirror"), "'mirror' is no mode of pad; use one of constant, "),
        (
            lambda: Pad(before=(-1, 0), after=(0, 0), mode="edge").infer(DATA),
            "pad needs two numbers, at least 0, for each axis of float32[2, 3]",
        ),
        (lambda: Gather(axis=2).infer(DATA, INDEX), "gather: float32[2, 3] has no axis 2; its axes are 0 to 1"),
        (lambda: Gather(axis=0).infer(DATA, DATA), "gather: indices takes int32 or int64, not float32[2, 3]; cast it"),
        (lambda: Gather(axis=0).infer(EMPTY, INDEX), "gather: float32[0, 3] has no elements to choose from"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value).startswith(message)


DATA, OTHER, EMPTY = (TensorType(shape, "float32") for shape in ((2, 3), (2, 4), (0, 3)))
INDEX = TensorType((4,), "int64")
