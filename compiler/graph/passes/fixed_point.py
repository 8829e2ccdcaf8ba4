"""Ratios of scales as the whole numbers that the accelerator multiplies and shifts by, in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

from dovetail.compiler.graph.arithmetic import WIDEST
from dovetail.compiler.ops.scales import INT16, INT32, MAX_ADDED_SHIFT

MULTIPLIER_BITS = INT32[1].bit_length()
RESIDUAL_BITS = INT16[1].bit_length()
STEPS = 256
"""That an int8 output can be away from its zero point, and one more."""


def fixed_point(ratio: Fraction, bits: int = MULTIPLIER_BITS, shifts: int = WIDEST) -> tuple[int, int] | None:
    """Multiplier and shift, with ``multiplier / 2**shift`` as near to `ratio` as `bits` allow; None if it is too large.

    Parameters
    ----------
    ratio:
        At least 0.
    bits:
        Of the multiplier.
    shifts:
        The largest shift.
    """
    if ratio == 0:
        return 0, 0
    magnitude = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    shift = min(bits - magnitude, shifts)
    while shift >= 0 and round(ratio * 2**shift) >= 2**bits:
        shift -= 1
    if shift < 0:
        return None
    multiplier = round(ratio * 2**shift)
    spare = min(shift, (multiplier & -multiplier).bit_length() - 1) if multiplier else shift
    return multiplier >> spare, shift - spare


def residual_point(ratio: Fraction) -> tuple[int, int, int] | None:
    """Fraction, multiplier and shift of a residual that counts `ratio` output steps for each of its own.

    The fraction is the largest with which neither the residual nor a sum that it can bring back into int8 saturates
    at int32; with it the accumulator's part keeps most bits too. None if `ratio` is too large.
    """
    reach = int(STEPS * (1 + ratio)) + 1
    for fraction in range(min(MAX_ADDED_SHIFT, MULTIPLIER_BITS - reach.bit_length()), -1, -1):
        point = fixed_point(ratio * 2**fraction, RESIDUAL_BITS, MAX_ADDED_SHIFT)
        if point is not None:
            return fraction, *point
    return None
