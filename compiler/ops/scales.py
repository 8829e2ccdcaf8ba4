"""Scales of operands and outputs, and which the store unit takes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .errors import OperatorError
from .quantise import INT8

INT16 = (-(1 << 15), (1 << 15) - 1)
INT32 = (-(1 << 31), (1 << 31) - 1)
MAX_SHIFT = 63
"""Of sums, by PARAM."""
MAX_ADDED_SHIFT = 31
"""Of what is added to them, and of their fraction, by POST."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An operand's part in a sum: ``(value - zero_point) * multiplier / 2**shift``, rounded, ties to even."""

    zero_point: int = 0
    multiplier: int = 1
    shift: int = 0


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a value becomes int8: ``value / 2**fraction`` rounded, plus `zero_point`, within `bounds`."""

    fraction: int = 0
    zero_point: int = 0
    bounds: tuple[int, int] = INT8


def misfit(output: Output, scale: Scale | None = None, added: Scale | None = None) -> str | None:
    """Why a store cannot finish outputs so; None if it can.

    Parameters
    ----------
    scale:
        Of what is in the accumulators; None where each channel has its own.
    added:
        Of an int8 that is added on the way out; None where there is none.
    """
    low, high = output.bounds
    if not INT8[0] <= low <= high <= INT8[1]:
        return f"bounds {low} and {high}, which are to be int8 and in order"
    reason = (
        _outside("fraction", output.fraction, 0, MAX_ADDED_SHIFT)
        or _outside("zero point", output.zero_point, *INT8)
        or (scale_misfit(scale) if scale is not None else None)
        or (added_misfit(added) if added is not None else None)
    )
    if reason is not None:
        return reason
    total = _range(scale, *INT32) if scale is not None else INT32
    if added is not None:
        other = _range(added, *INT8)
        total = total[0] + other[0], total[1] + other[1]
    ends = {min(max(_rounded(end, output.fraction) + output.zero_point, low), high) for end in total}
    return f"an output that is always {ends.pop()}" if len(ends) == 1 else None


def scale_misfit(scale: Scale) -> str | None:
    """Why a store cannot scale sums so; None if it can."""
    return (
        _outside("multiplier", scale.multiplier, *INT32)
        or _outside("shift", scale.shift, 0, MAX_SHIFT)
        or _outside("bias", -scale.zero_point, *INT32)
        or _nothing(scale, *INT32)
    )


def added_misfit(scale: Scale) -> str | None:
    """Why a store cannot scale so what it adds; None if it can."""
    return (
        _outside("multiplier of what is added", scale.multiplier, *INT16)
        or _outside("shift of what is added", scale.shift, 0, MAX_ADDED_SHIFT)
        or _outside("zero point of what is added", scale.zero_point, *INT8)
        or _nothing(scale, *INT8)
    )


def accumulated(one: Scale, other: Scale) -> int:
    """Which of two operands goes through the accumulators, 0 or 1: the second only if the first can be added."""
    return int(added_misfit(other) is not None and added_misfit(one) is None)


def check(name: str, output: Output, scale: Scale | None = None, added: Scale | None = None) -> None:
    """
    Raises
    ------
    OperatorError:
        A store cannot finish outputs so, see `misfit`.
    """
    reason = misfit(output, scale, added)
    if reason is not None:
        raise OperatorError(f"{name}: {reason}")


def _outside(what: str, value: int, low: int, high: int) -> str | None:
    return None if low <= value <= high else f"{what} {value}; a store takes {low} to {high}"


def _nothing(scale: Scale, low: int, high: int) -> str | None:
    first, last = _range(scale, low, high)
    text = f"multiplier {scale.multiplier} with shift {scale.shift}, which leaves nothing of an operand"
    return text if first == last else None


def _range(scale: Scale, low: int, high: int) -> tuple[int, int]:
    """Least and greatest part in the sum of values between `low` and `high`."""
    ends = []
    for value in (low, high):
        distance = min(max(value - scale.zero_point, INT32[0]), INT32[1])
        ends.append(min(max(_rounded(distance * scale.multiplier, scale.shift), INT32[0]), INT32[1]))
    return min(ends), max(ends)


def _rounded(value: int, shift: int) -> int:
    """``value / 2**shift``, ties to even."""
    return round(Fraction(value, 1 << shift))
