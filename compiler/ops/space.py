"""The settings of a convolution's knobs: what they are made of, and the few that the model looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product

from dovetail.isa.config import Config

from .blocked import Blocked
from .knobs import At, Conv2dKnobs, Order
from .rules import misfit
from .shapes import blocks

PLACES = (
    (Order.TILE, At.TILE, At.ROOT),
    (Order.TILE, At.TILE, At.BLOCK),
    (Order.TILE, At.TILE, At.CHUNK),
    (Order.TILE, At.CHUNK, At.CHUNK),
    (Order.BLOCK, At.IMAGE, At.BLOCK),
    (Order.BLOCK, At.IMAGE, At.CHUNK),
    (Order.BLOCK, At.CHUNK, At.BLOCK),
)
"""Outer loop, and where inputs and weights are loaded."""
COPIES = ((1, 1, 1), (2, 1, 2), (2, 1, 4), (1, 2, 2), (2, 2, 2), (1, 4, 4), (2, 4, 4), (2, 8, 4))
"""Copies of inp, wgt and acc."""
FIRST_SHARES = (1, 2, 3, 4, 8)
"""The first tile has the rows of the others divided by one of these."""
THREADS = (1, 2)

WIDTHS = 2
"""Of tiles' columns, this many of the largest that fit are looked at."""
HEIGHTS = tuple(Fraction(eighths, 8) for eighths in (8, 6, 4, 3, 2))
"""Of tiles' rows, the largest that fit and these shares of them."""
CHUNKS = 3
"""Of chunks of the reduction, this many of the largest that fit."""


def parts(total: int) -> list[int]:
    """Sizes of nearly equal parts of `total`, largest first, each size once."""
    return sorted({blocks(total, count) for count in range(1, total + 1)}, reverse=True)


def candidates(shape: Blocked, config: Config) -> Iterator[Conv2dKnobs]:
    """Settings that fit, with large tiles and chunks: those among which the model's best is sought."""
    widths = 0
    for cols in parts(shape.out_w):
        fitting = [found for frame in _frames(shape) if (found := _tallest(shape, config, replace(frame, cols=cols)))]
        tried: dict[tuple[object, ...], int] = {}
        for knobs in fitting:
            place = (knobs.order, knobs.inputs, knobs.weights, knobs.inp_copies, knobs.wgt_copies, knobs.acc_copies)
            tried[place] = tried.get(place, 0) + 1
            if tried[place] > (CHUNKS if At.CHUNK in (knobs.inputs, knobs.weights) else 1):
                continue
            for rows in sorted({max(1, int(knobs.rows * share)) for share in HEIGHTS}, reverse=True):
                for first in _firsts(shape, rows):
                    yield replace(knobs, rows=rows, first_rows=first)
        widths += bool(fitting)
        if widths == WIDTHS:
            return


def _frames(shape: Blocked) -> Iterator[Conv2dKnobs]:
    """All settings but for the sizes of tiles, which are 1; large chunks first."""
    reductions = [
        *((channels, shape.kh, shape.kw) for channels in parts(shape.ic_blocks)),
        *((1, taps, shape.kw) for taps in parts(shape.kh) if taps < shape.kh),
        *((1, 1, taps) for taps in parts(shape.kw) if taps < shape.kw),
    ]
    for (order, inputs, weights), copies, (channels, kernel_rows, kernel_cols) in product(PLACES, COPIES, reductions):
        if (weights is At.ROOT and copies[1] > 1) or (inputs is At.IMAGE and copies[0] > 1):
            continue
        yield Conv2dKnobs(
            rows=1,
            cols=1,
            first_rows=1,
            channels=channels,
            kernel_rows=kernel_rows,
            kernel_cols=kernel_cols,
            order=order,
            inputs=inputs,
            weights=weights,
            inp_copies=copies[0],
            wgt_copies=copies[1],
            acc_copies=copies[2],
        )


def _firsts(shape: Blocked, rows: int) -> list[int]:
    """Rows of the first tile."""
    if rows == shape.out_h:
        return [rows]
    return sorted({blocks(rows, share) for share in FIRST_SHARES})


def _tallest(shape: Blocked, config: Config, knobs: Conv2dKnobs) -> Conv2dKnobs | None:
    """`knobs` with the most rows that fit."""
    low, high = 0, shape.out_h
    while low < high:
        middle = (low + high + 1) // 2
        if misfit(shape, replace(knobs, rows=middle, first_rows=middle), config) is None:
            low = middle
        else:
            high = middle - 1
    return replace(knobs, rows=low, first_rows=low) if low else None
