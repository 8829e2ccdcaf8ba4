"""The accelerator's output arithmetic against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dovetail.compiler.graph import arithmetic
from dovetail.compiler.graph.arithmetic import finished, requantised, rounded, scaled
from dovetail.compiler.ops.scales import Output, Scale

INT8, INT16, INT32 = (st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32))
outputs = st.builds(
    Output,
    fraction=st.integers(0, 31),
    zero_point=INT8,
    bounds=st.tuples(INT8, INT8).map(lambda pair: (min(pair), max(pair))),
)
scales = st.builds(Scale, zero_point=INT8, multiplier=INT16, shift=st.integers(0, 31))
wide_scales = st.builds(Scale, zero_point=INT32, multiplier=INT32, shift=st.integers(0, 63))
channels = st.tuples(INT32, INT32, INT32, st.integers(0, 63), INT8)
"""A sum, its bias, multiplier and shift, and what is added."""


def nearest(value: int, shift: int) -> int:
    """``value / 2**shift`` to the nearest whole number, ties to even, as Python rounds fractions."""
    return round(Fraction(value, 2**shift))


def saturated(value: int) -> int:
    return min(max(value, -(2**31)), 2**31 - 1)


def stored(total: int, output: Output) -> int:
    low, high = output.bounds
    return min(max(nearest(total, output.fraction) + output.zero_point, low), high)


def added(value: int, scale: Scale) -> int:
    return saturated(nearest(saturated(value - scale.zero_point) * scale.multiplier, scale.shift))


@given(st.integers(-(2**62), 2**62), st.integers(0, 200))
def test_shifts_round_to_the_nearest_and_ties_to_even(value: int, shift: int) -> None:
    assert rounded(value, shift) == nearest(value, shift)


@given(st.integers(-(2**20), 2**20), st.integers(0, 40))
def test_ties(number: int, shift: int) -> None:
    half = (2 * number + 1) << shift
    assert rounded(half, shift + 1) == nearest(half, shift + 1)
    assert rounded(half, shift + 1) % 2 == 0


@given(st.integers(-(2**62), 2**62))
def test_int32_is_the_range_of_sums(value: int) -> None:
    assert arithmetic.saturated(value) == saturated(value)


@given(st.lists(INT32, min_size=1), scales | wide_scales, outputs)
def test_operands_are_scaled_and_totals_finished(values: list[int], scale: Scale, output: Output) -> None:
    parts = scaled(np.array(values, np.int32), scale)
    assert parts.tolist() == [added(value, scale) for value in values]
    result = finished(parts, output)
    assert result.dtype == np.int8
    assert result.tolist() == [stored(added(value, scale), output) for value in values]


@given(st.lists(channels, min_size=1, max_size=9), outputs, st.none() | scales, st.integers(0, 2))
def test_every_channel_has_its_own_scale(
    given: list[tuple[int, ...]], output: Output, scale: Scale | None, axis: int
) -> None:
    expected = []
    for total, bias, multiplier, shift, other in given:
        value = saturated(nearest(saturated(total + bias) * multiplier, shift))
        expected.append(stored(value + (added(other, scale) if scale is not None else 0), output))
    sums, bias, multiplier, shift, others = np.array(given, np.int64).T
    place = np.expand_dims(sums.astype(np.int32), tuple(one for one in range(3) if one != axis))
    result = requantised(
        place,
        *(part.astype(np.int32) for part in (bias, multiplier, shift)),
        output,
        others.astype(np.int8).reshape(place.shape) if scale is not None else None,
        scale,
        axis=axis,
    )
    assert result.shape == place.shape
    assert result.reshape(-1).tolist() == expected
