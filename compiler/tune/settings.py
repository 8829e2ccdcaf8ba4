"""Many settings of a convolution's knobs at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.knobs import At, Conv2dKnobs, Order, Whole, number
from dovetail.compiler.ops.shapes import blocks
from dovetail.compiler.ops.space import FIRST_SHARES, PLACES, THREADS, parts

from .grid import Axis

INP_COPIES = (1, 2, 4)
WGT_COPIES = (1, 2, 4, 8)
ACC_COPIES = (1, 2, 4)

ORDERS = tuple(Order)
PLACES_OF_LOADS = tuple(At)


@dataclass(frozen=True)
class Settings:
    """Settings as `compiler.ops.knobs.Setting` has them: arrays, which broadcast; places are numbers of members."""

    rows: Whole
    cols: Whole
    first_rows: Whole
    channels: Whole
    kernel_rows: Whole
    kernel_cols: Whole
    order: NDArray[Any]
    inputs: NDArray[Any]
    weights: NDArray[Any]
    inp_copies: Whole
    wgt_copies: Whole
    acc_copies: Whole
    threads: Whole

    def one(self, place: int) -> Conv2dKnobs:
        """One of several settings, where none is to be broadcast."""
        values = {name: int(column[place]) for name, column in vars(self).items()}
        order, inputs, weights = values.pop("order"), values.pop("inputs"), values.pop("weights")
        return Conv2dKnobs(
            **values, order=ORDERS[order], inputs=PLACES_OF_LOADS[inputs], weights=PLACES_OF_LOADS[weights]
        )


class Template:
    """The knobs of a convolution as axes of a grid.

    Parameters
    ----------
    rows:
        Tiles' rows beside those of nearly equal parts of the output.
    """

    def __init__(self, shape: Blocked, rows: int) -> None:
        self.shape = shape
        chunks = [
            *((channels, shape.kh, shape.kw) for channels in parts(shape.ic_blocks)),
            *((1, taps, shape.kw) for taps in parts(shape.kh) if taps < shape.kh),
            *((1, 1, taps) for taps in parts(shape.kw) if taps < shape.kw),
        ]
        heights = sorted({*parts(shape.out_h), rows}, reverse=True)
        self.axes = (
            Axis("cols", tuple(parts(shape.out_w))),
            Axis("rows", tuple(heights)),
            Axis("rows of the first tile: rows divided by", FIRST_SHARES),
            Axis("channels/kernel_rows/kernel_cols", tuple(chunks)),
            Axis("order/inputs/weights", tuple(tuple(part.value for part in place) for place in PLACES)),
            Axis("inp_copies", INP_COPIES),
            Axis("wgt_copies", WGT_COPIES),
            Axis("acc_copies", ACC_COPIES),
            Axis("threads", THREADS),
        )
        self._chunks = np.array(chunks).T
        self._places = np.array([[number(part) for part in place] for place in PLACES]).T
        self._simple = [np.array(self.axes[at].values) for at in (0, 1, 2, 5, 6, 7, 8)]

    @cached_property
    def all(self) -> Settings:
        """The whole grid, an axis each."""
        return self.settings(*np.ogrid[tuple(slice(len(axis.values)) for axis in self.axes)])

    def settings(self, *digits: NDArray[Any]) -> Settings:
        """The settings with these values on the axes."""
        at_cols, at_rows, at_share, at_chunk, at_place, *others = digits
        cols, rows, share, inp, wgt, acc, threads = (
            values[at] for values, at in zip(self._simple, (at_cols, at_rows, at_share, *others), strict=True)
        )
        channels, kernel_rows, kernel_cols = (column[at_chunk] for column in self._chunks)
        order, inputs, weights = (column[at_place] for column in self._places)
        return Settings(
            rows=rows,
            cols=cols,
            first_rows=np.where(rows == self.shape.out_h, rows, blocks(rows, share)),
            channels=channels,
            kernel_rows=kernel_rows,
            kernel_cols=kernel_cols,
            order=order,
            inputs=inputs,
            weights=weights,
            inp_copies=inp,
            wgt_copies=wgt,
            acc_copies=acc,
            threads=threads,
        )

    def digits(self, knobs: Conv2dKnobs) -> tuple[int, ...] | None:
        """Of each axis, which value a setting has; None if it has one that none of them has."""
        shares = FIRST_SHARES if knobs.rows < self.shape.out_h else (1,)
        share = next((share for share in shares if blocks(knobs.rows, share) == knobs.first_rows), None)
        values = (
            knobs.cols,
            knobs.rows,
            share,
            (knobs.channels, knobs.kernel_rows, knobs.kernel_cols),
            (knobs.order.value, knobs.inputs.value, knobs.weights.value),
            knobs.inp_copies,
            knobs.wgt_copies,
            knobs.acc_copies,
            knobs.threads,
        )
        if any(value not in axis.values for axis, value in zip(self.axes, values, strict=True)):
            return None
        return tuple(axis.values.index(value) for axis, value in zip(self.axes, values, strict=True))

    @cached_property
    def twice(self) -> NDArray[np.bool_]:
        """Points that are the same setting as another point of the grid, or only have copies that nothing uses."""
        rows, share = self._simple[1], self._simple[2]
        first: NDArray[np.int64] = -(-rows[:, None] // share[None, :])
        again = np.zeros(first.shape, np.bool_)
        again[:, 1:] = (first[:, 1:] == first[:, :-1]) | (rows == self.shape.out_h)[:, None]
        same: NDArray[np.bool_] = again.reshape(1, *first.shape, *([1] * 6))
        for at, once, copies in (
            (self.all.weights, At.ROOT, self.all.wgt_copies),
            (self.all.inputs, At.IMAGE, self.all.inp_copies),
        ):
            same = same | ((at == number(once)) & (copies > 1))
        return same
