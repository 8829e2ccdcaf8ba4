"""int8 from int32 sums, exactly as the accelerator's STORE, with all that is known of a channel computed ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler import te
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Expr, ExprLike

from ..errors import OperatorError

MAX_SHIFT = 62
FOLDED_SHIFT = 54
"""Up to which a zero point can be shifted to the left within int64."""
MAX_SUM = 2**31 - 1
DATA_RANGE = 128
"""The greatest magnitude of int8."""


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

    Raises
    ------
    OperatorError:
        int8 cannot hold one of them, or the limits are the wrong way round.
    """

    zero_point: int = 0
    minimum: int = -128
    maximum: int = 127
    form: Form = Form.ANY

    def __post_init__(self) -> None:
        low, high = limits("int8")
        for name, value in (("zero_point", self.zero_point), ("minimum", self.minimum), ("maximum", self.maximum)):
            if not low <= value <= high:
                raise OperatorError(f"requantise: {name} must be {low} to {high}, not {value}")
        if self.minimum > self.maximum:
            raise OperatorError(f"requantise: minimum {self.minimum} is above maximum {self.maximum}")

    @property
    def rows(self) -> int:
        """Numbers of a channel in the table: multiplier, shift and what is added to the product; where the form is
        `ANY` also what is added to the sum, and whether there are ties."""
        return 3 if self.form is Form.FOLDED else 5


def requantised(acc: Expr, table: Tensor, at: Sequence[ExprLike], lane: ExprLike, result: Requantised) -> Expr:
    """int8 of an int32 sum.

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
    multiplier, shift, addend, *others = (table[(*at, row, lane)] for row in range(result.rows))
    wide = te.cast("int64", acc)
    if others:
        offset, ties = others
        product = te.cast("int64", te.saturate(wide + offset, "int32")) * multiplier
        scaled = ((product + addend + ((product >> shift) & ties)) >> shift) + result.zero_point
    else:
        scaled = (wide * multiplier + addend) >> shift
    return te.cast("int8", te.clip(scaled, result.minimum, result.maximum))


def form_of(
    weights: NDArray[np.int8], bias: NDArray[np.int32], multiplier: NDArray[np.int32], shift: NDArray[np.generic]
) -> Form:
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


def channel_table(
    what: str,
    result: Requantised,
    weights: NDArray[np.int8],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    shift: NDArray[np.generic],
    offset: int = 0,
) -> NDArray[np.int64]:
    """The numbers of every channel, [result.rows, channels].

    Parameters
    ----------
    weights: int8 [channels, ...]
    offset:
        What was added to the data; sums have it times the sum of the weights too much.

    Raises
    ------
    OperatorError:
        Another shape or dtype, a shift that is not 0 to 62, or constants that do not fold but are to.
    """
    channels = (len(weights),)
    for name, array in (("bias", bias), ("multiplier", multiplier)):
        if array.shape != channels or array.dtype != np.int32:
            raise OperatorError(f"{what}: {name} must be int32 {channels}, not {array.dtype} {array.shape}")
    places = shift.astype(np.int64)
    if places.shape != channels or not 0 <= places.min() <= places.max() <= MAX_SHIFT:
        raise OperatorError(f"{what}: shift must be {channels} numbers from 0 to {MAX_SHIFT}, not {shift}")
    added = bias.astype(np.int64) - offset * weights.astype(np.int64).reshape(len(weights), -1).sum(axis=1)
    factor = multiplier.astype(np.int64)
    half = np.where(places > 0, np.left_shift(np.int64(1), np.maximum(places - 1, 0)), 0)
    ties = (places > 0).astype(np.int64)
    if result.form is Form.ANY:
        return np.stack([factor, places, half - ties, added, ties])
    if form_of(weights, bias, multiplier, shift) is not Form.FOLDED:
        raise OperatorError(f"{what}: these constants can saturate or tie; use Form.ANY instead of Form.FOLDED")
    zero = np.left_shift(np.int64(result.zero_point), places)
    return np.stack([factor, places, added * factor + half + zero])
