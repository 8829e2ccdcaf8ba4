"""Results of int32 sums, exactly as the accelerator's STORE, with all that is known of a channel computed ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler import te
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Expr, ExprLike

from ..elementwise import Scale
from ..errors import OperatorError
from .operator import Array

MAX_SHIFT = 63
WIDEST = 62
"""Shifts beyond it give 0, for a product of two int32 is at most 2**62."""
FOLDED_SHIFT = 54
"""Up to which a zero point can be shifted to the left within int64."""
MAX_SUM = 2**31 - 1
INT32 = limits("int32")
DATA_RANGE = 128
"""The greatest magnitude of int8."""
RESULT_RANGE = 512
"""More than any difference of two int8, with what rounding adds."""


class Form(Enum):
    """Which constants the arithmetic is for: any, or those for which `form_of` gives `FOLDED`, with half the work."""

    ANY = "any"
    FOLDED = "folded"


@dataclass(frozen=True, kw_only=True)
class Requantised:
    """The int8 result of an operator.

    Attributes
    ----------
    zero_point:
        Added at the end.
    minimum, maximum:
        Between these the result is held.
    fraction:
        Bits behind the point of what `requantised` gives, which are rounded away with the zero point's addition.
    residual:
        How an int8 tensor of the output's shape counts that is added before that.

    Raises
    ------
    OperatorError:
        int8 cannot hold one of them, or the limits are the wrong way round.
    """

    zero_point: int = 0
    minimum: int = -128
    maximum: int = 127
    form: Form = Form.ANY
    fraction: int = 0
    residual: Scale | None = None

    dtype: ClassVar[str] = "int8"

    def __post_init__(self) -> None:
        low, high = limits("int8")
        for name, value in (("zero_point", self.zero_point), ("minimum", self.minimum), ("maximum", self.maximum)):
            if not low <= value <= high:
                raise OperatorError(f"requantise: {name} must be {low} to {high}, not {value}")
        if self.minimum > self.maximum:
            raise OperatorError(f"requantise: minimum {self.minimum} is above maximum {self.maximum}")

    @property
    def plain(self) -> bool:
        """The scaled sum and the zero point are the whole result."""
        return self.fraction == 0 and self.residual is None

    @property
    def limits(self) -> tuple[int, int]:
        """Between these a scaled sum is held before a residual or a fraction; with more, the result is at its own
        limits already."""
        reach = (RESULT_RANGE << self.fraction) + self.residual_reach
        return (-reach, reach) if reach < INT32[1] else INT32

    @property
    def residual_reach(self) -> int:
        """A bound of the residual's magnitude."""
        if self.residual is None:
            return 0
        return min(INT32[1], (RESULT_RANGE * abs(self.residual.multiplier) >> self.residual.shift) + 1)

    @property
    def rows(self) -> int:
        """Numbers of a channel in the table: multiplier, shift and what is added to the product; where the form is
        `ANY` also what is added to the sum, and whether there are ties."""
        return 3 if self.form is Form.FOLDED else 5


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The int32 sums themselves are the result of an operator."""

    dtype: ClassVar[str] = "int32"
    rows: ClassVar[int] = 1
    residual: ClassVar[None] = None


Result = Requantised | Sums


def requantised(acc: Expr, table: Tensor, at: Sequence[ExprLike], lane: ExprLike, result: Result) -> Expr:
    """The result for an int32 sum; where there is to be a residual, what `with_residual` takes.

    ``(p + half - 1 + odd) >> s``, where ``odd`` is the lowest bit of ``p >> s``, is p / 2**s to the nearest, ties to
    even; with a shift of 0 nothing is added. STORE's int32 saturation before the zero point is left to the limits,
    which are closer.

    Parameters
    ----------
    table: int64 [..., result.rows, lanes]
        Of `channel_table`, arranged by the caller.
    at, lane:
        Its outer indices and its last.
    """
    if isinstance(result, Sums):
        return acc + te.cast("int32", table[(*at, 0, lane)])
    multiplier, shift, addend, *others = (table[(*at, row, lane)] for row in range(result.rows))
    wide = te.cast("int64", acc)
    if others:
        offset, ties = others
        product = te.cast("int64", te.saturate(wide + offset, "int32")) * multiplier
        scaled = (product + addend + ((product >> shift) & ties)) >> shift
        if result.plain:
            scaled = scaled + result.zero_point
    else:
        scaled = (wide * multiplier + addend) >> shift
    if result.plain:
        return te.cast("int8", te.clip(scaled, result.minimum, result.maximum))
    held = te.cast("int32", te.clip(scaled, *result.limits))
    return held if result.residual is not None else _finished(held, result)


def with_residual(scaled: Expr, residual: Expr, result: Requantised) -> Expr:
    """int8 of a scaled sum and an element of the residual."""
    scale = result.residual or Scale()
    narrow = RESULT_RANGE * abs(scale.multiplier) < INT32[1]
    wide = te.cast("int32" if narrow else "int64", residual)
    value = te.round_shift((wide - scale.zero_point) * scale.multiplier, scale.shift)
    if not narrow:
        value = te.saturate(value, "int32")
    total = "int32" if result.limits[1] + result.residual_reach < INT32[1] else "int64"
    return _finished(te.cast(total, scaled) + te.cast(total, value), result)


def _finished(total: Expr, result: Requantised) -> Expr:
    value = te.round_shift(total, result.fraction) if result.fraction else total
    low, high = result.minimum - result.zero_point, result.maximum - result.zero_point
    return te.cast("int8", te.clip(value, low, high) + result.zero_point)


def form_of(weights: Array, bias: Array, multiplier: Array, shift: Array) -> Form:
    """`FOLDED` if, whatever the data, no sum saturates and no result lies halfway between two integers.

    A tie is a product with exactly ``shift - 1`` trailing zeros. It has those of its factors together, and a sum that
    is not 0 no more than bits.

    Parameters
    ----------
    weights: int8 [channels, ...]
    bias, multiplier: int32 [channels]
    shift: [channels]
    """
    magnitudes = np.abs(weights.astype(np.int64)).reshape(len(weights), -1).sum(axis=1)
    reach = DATA_RANGE * magnitudes + np.abs(bias.astype(np.int64))
    places = shift.astype(np.int64)
    factor = multiplier.astype(np.int64)
    zeros = np.where(factor == 0, 0, np.frexp((factor & -factor).astype(np.float64))[1] - 1)
    bits = np.frexp(np.maximum(reach, 1).astype(np.float64))[1] - 1
    no_ties = (factor == 0) | (places == 0) | (zeros + bits < places - 1)
    folds = (reach <= MAX_SUM) & (places <= FOLDED_SHIFT) & no_ties
    return Form.FOLDED if bool(folds.all()) else Form.ANY


def channel_table(what: str, result: Result, constants: Sequence[Array], offset: int = 0) -> NDArray[np.int64]:
    """The numbers of every channel, [result.rows, channels].

    Parameters
    ----------
    constants:
        Weights, int8 [channels, ...]; where they are requantised also bias and multiplier, int32 [channels], and shift,
        [channels].
    offset:
        What was added to the data; sums have it times the sum of the weights too much.

    Raises
    ------
    OperatorError:
        Another number of constants, shape or dtype, a shift that is not 0 to 63, or constants that do not fold but are
        to.
    """
    names = ("weights",) if isinstance(result, Sums) else ("weights", "bias", "multiplier", "shift")
    if len(constants) != len(names):
        raise OperatorError(f"{what}: the constants are {', '.join(names)}, but {len(constants)} are given")
    weights = constants[0].astype(np.int64)
    channels = (len(weights),)
    surplus = offset * weights.reshape(len(weights), -1).sum(axis=1)
    if isinstance(result, Sums):
        return np.stack([-surplus])
    bias, multiplier, shift = constants[1:]
    for name, array in (("bias", bias), ("multiplier", multiplier)):
        if array.shape != channels or array.dtype != np.int32:
            raise OperatorError(f"{what}: {name} must be int32 {channels}, not {array.dtype} {array.shape}")
    places = shift.astype(np.int64)
    if places.shape != channels or not 0 <= places.min() <= places.max() <= MAX_SHIFT:
        raise OperatorError(f"{what}: shift must be {channels} numbers from 0 to {MAX_SHIFT}, not {shift}")
    added = bias.astype(np.int64) - surplus
    factor = np.where(places > WIDEST, 0, multiplier.astype(np.int64))
    places = np.where(places > WIDEST, 0, places)
    half = np.where(places > 0, np.left_shift(np.int64(1), np.maximum(places - 1, 0)), 0)
    ties = (places > 0).astype(np.int64)
    if result.form is Form.ANY:
        return np.stack([factor, places, half - ties, added, ties])
    if form_of(constants[0], bias, multiplier, shift) is not Form.FOLDED:
        raise OperatorError(f"{what}: these constants can saturate or tie; use Form.ANY instead of Form.FOLDED")
    zero = np.left_shift(np.int64(result.zero_point), places) if result.plain else 0
    return np.stack([factor, places, added * factor + half + zero])
