"""The knobs of a convolution's schedule, and what they need of the buffers.

That is said once, for one setting and for many at once: in a `Setting`, sizes are numbers or arrays of numbers, and all
arithmetic works on either.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Protocol

import numpy as np

from .blocked import Blocked
from .shapes import blocks

Whole = Any
"""A whole number, or an array of them, one for each of many settings; arrays of several settings broadcast."""
Truth = Any
"""A boolean, or an array of them."""
Place = Any
"""A member of an enumeration, or an array of the numbers that `number` gives to members."""


class Order(Enum):
    """Which loop is outside: over tiles of outputs, or over blocks of output channels."""

    TILE = "tile"
    BLOCK = "block"


class At(Enum):
    """Where a buffer is filled.

    `ROOT`: once, with all there is. `IMAGE`: for each sample and group. `TILE`, `BLOCK`: in the loop over tiles, over
    blocks of output channels. `CHUNK`: for each chunk of the reduction.
    """

    ROOT = "root"
    IMAGE = "image"
    TILE = "tile"
    BLOCK = "block"
    CHUNK = "chunk"


@dataclass(frozen=True, kw_only=True)
class Conv2dKnobs:
    """A schedule of a convolution on the accelerator.

    Attributes
    ----------
    rows, cols:
        Outputs of a tile.
    first_rows:
        Rows of the first tile: a small one lets the array begin early.
    channels, kernel_rows, kernel_cols:
        Blocks of input channels, rows and columns of the kernel in a chunk of the reduction. A chunk is one kernel of
        micro-ops.
    order:
        Of the outer loops.
    inputs, weights:
        Where they are loaded: inputs at `IMAGE`, `TILE` or `CHUNK`, weights at `ROOT`, `BLOCK` or `CHUNK`.
    inp_copies, wgt_copies, acc_copies:
        Copies of a buffer that are used in turn, so that one is filled or drained while another is used.
    threads:
        Virtual threads that take turns at the tiles, each with buffers of its own.
    """

    rows: int
    cols: int
    first_rows: int
    channels: int
    kernel_rows: int
    kernel_cols: int
    order: Order = Order.TILE
    inputs: At = At.TILE
    weights: At = At.BLOCK
    inp_copies: int = 1
    wgt_copies: int = 1
    acc_copies: int = 1
    threads: int = 1

    def __str__(self) -> str:
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name}={value.value if isinstance(value, Enum) else value}" for name, value in values)


class Setting(Protocol):
    """One setting, as `Conv2dKnobs` is, or many in arrays."""

    @property
    def rows(self) -> Whole: ...
    @property
    def cols(self) -> Whole: ...
    @property
    def first_rows(self) -> Whole: ...
    @property
    def channels(self) -> Whole: ...
    @property
    def kernel_rows(self) -> Whole: ...
    @property
    def kernel_cols(self) -> Whole: ...
    @property
    def order(self) -> Place: ...
    @property
    def inputs(self) -> Place: ...
    @property
    def weights(self) -> Place: ...
    @property
    def inp_copies(self) -> Whole: ...
    @property
    def wgt_copies(self) -> Whole: ...
    @property
    def acc_copies(self) -> Whole: ...
    @property
    def threads(self) -> Whole: ...


@dataclass(frozen=True)
class Footprint:
    """Entries of the buffers that a schedule fills, one copy each, and the micro-ops of its longest kernel."""

    inp: Whole
    wgt: Whole
    acc: Whole
    kernel: Whole


def number(member: Enum) -> int:
    """Of a member of an enumeration, its place among them."""
    return list(type(member)).index(member)


def is_at(place: Place, member: Enum) -> Truth:
    """Whether `place` is `member`."""
    return place == number(member) if isinstance(place, np.ndarray) else place is member


def pick(condition: Truth, then: Whole, otherwise: Whole) -> Whole:
    """`then` where `condition` holds, else `otherwise`."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def largest(first: Whole, *others: Whole) -> Whole:
    """The largest of several numbers, for each setting."""
    for other in others:
        first = pick(other > first, other, first)
    return first


def smallest(first: Whole, *others: Whole) -> Whole:
    """The smallest of several numbers, for each setting."""
    for other in others:
        first = pick(other < first, other, first)
    return first


def chunks(shape: Blocked, knobs: Setting) -> tuple[Whole, Whole, Whole]:
    """Chunks of the reduction along channels, rows and columns of the kernel."""
    return (
        blocks(shape.ic_blocks, knobs.channels),
        blocks(shape.kh, knobs.kernel_rows),
        blocks(shape.kw, knobs.kernel_cols),
    )


def row_tiles(shape: Blocked, knobs: Setting) -> Whole:
    """Tiles along the rows of the output: the first, and as many others as it takes."""
    return blocks(shape.out_h - knobs.first_rows, knobs.rows) + 1


def thread_rows(shape: Blocked, knobs: Setting) -> Whole:
    """Rows of the output that a virtual thread makes at most."""
    return smallest(blocks(row_tiles(shape, knobs), knobs.threads) * knobs.rows, shape.out_h)


def footprint(shape: Blocked, knobs: Setting) -> Footprint:
    """What `knobs` need of the buffers."""
    image, chunk = is_at(knobs.inputs, At.IMAGE), is_at(knobs.inputs, At.CHUNK)
    rows, cols = pick(image, thread_rows(shape, knobs), knobs.rows), pick(image, shape.out_w, knobs.cols)
    taps = pick(chunk, knobs.kernel_rows, shape.kh), pick(chunk, knobs.kernel_cols, shape.kw)
    loaded = pick(chunk, knobs.channels, shape.ic_blocks)
    kernel = knobs.channels * knobs.kernel_rows * knobs.kernel_cols
    whole = shape.ic_blocks * shape.kh * shape.kw
    all_blocks = whole * shape.oc_blocks * shape.groups
    return Footprint(
        inp=loaded * shape.rows(rows, taps[0]) * shape.cols(cols, taps[1]),
        wgt=pick(is_at(knobs.weights, At.ROOT), all_blocks, pick(is_at(knobs.weights, At.BLOCK), whole, kernel)),
        acc=knobs.rows * knobs.cols,
        kernel=kernel,
    )
