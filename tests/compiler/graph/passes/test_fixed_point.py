"""Ratios as multipliers and shifts."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dovetail.compiler.graph.arithmetic import INT32, WIDEST
from dovetail.compiler.graph.passes.fixed_point import fixed_point, residual_point

RATIOS = st.floats(2.0**-40, 2.0**20).map(Fraction)


@given(RATIOS, st.integers(4, 31))
def test_a_ratio_is_as_near_as_the_bits_allow(ratio: Fraction, bits: int) -> None:
    point = fixed_point(ratio, bits)
    if point is None:
        assert round(ratio) >= 2**bits
        return
    multiplier, shift = point
    assert 0 <= multiplier < 2**bits and 0 <= shift <= WIDEST
    # One more bit in the multiplier would not fit, one more place would be beyond the shift.
    assert abs(Fraction(multiplier, 2**shift) - ratio) <= max(ratio / 2**bits, Fraction(1, 2 ** (WIDEST + 1)))


def test_exact_ratios_have_the_smallest_numbers() -> None:
    assert fixed_point(Fraction(1)) == (1, 0)
    assert fixed_point(Fraction(3, 8)) == (3, 3)
    assert fixed_point(Fraction(12)) == (12, 0)
    assert fixed_point(Fraction(0)) == (0, 0)
    assert fixed_point(Fraction(2**31)) is None


@given(RATIOS)
def test_a_residual_saturates_nothing_that_int8_could_show(ratio: Fraction) -> None:
    point = residual_point(ratio)
    if point is None:
        assert ratio > 2**15 - 1
        return
    fraction, multiplier, shift = point
    assert multiplier < 2**15 and shift <= 31 and fraction <= 31
    largest = 255 * Fraction(multiplier, 2**shift)
    assert largest <= INT32[1]
    # A sum at the end of int32 is out of int8's range whatever the residual takes from it.
    assert INT32[1] - largest >= 255 * 2**fraction
    assert abs(Fraction(multiplier, 2 ** (shift + fraction)) - ratio) <= max(ratio / 2**15, Fraction(1, 2**50))
