"""The knobs of a convolution's schedule, and which settings a machine can run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from math import prod

from dovetail.isa.config import Config
from dovetail.isa.instructions import LOOP_BITS

from .blocked import Blocked
from .errors import OperatorError
from .shapes import blocks

MAX_LOOP = (1 << LOOP_BITS) - 1


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


@dataclass(frozen=True)
class Footprint:
    """Entries of the buffers that a schedule fills, one copy each, and the micro-ops of its longest kernel."""

    inp: int
    wgt: int
    acc: int
    kernel: int


def chunks(shape: Blocked, knobs: Conv2dKnobs) -> tuple[int, int, int]:
    """Chunks of the reduction along channels, rows and columns of the kernel."""
    return (
        blocks(shape.ic_blocks, knobs.channels),
        blocks(shape.kh, knobs.kernel_rows),
        blocks(shape.kw, knobs.kernel_cols),
    )


def footprint(shape: Blocked, knobs: Conv2dKnobs) -> Footprint:
    """What `knobs` need of the buffers."""
    at = knobs.inputs
    rows, cols = (shape.out_h, shape.out_w) if at is At.IMAGE else (knobs.rows, knobs.cols)
    taps = (knobs.kernel_rows, knobs.kernel_cols) if at is At.CHUNK else (shape.kh, shape.kw)
    loaded = knobs.channels if at is At.CHUNK else shape.ic_blocks
    kernel = knobs.channels * knobs.kernel_rows * knobs.kernel_cols
    whole = shape.ic_blocks * shape.kh * shape.kw
    tiles = {At.ROOT: whole * shape.oc_blocks * shape.groups, At.BLOCK: whole, At.CHUNK: kernel}
    return Footprint(
        inp=loaded * shape.rows(rows, taps[0]) * shape.cols(cols, taps[1]),
        wgt=tiles[knobs.weights],
        acc=knobs.rows * knobs.cols,
        kernel=kernel,
    )


def misfit(shape: Blocked, knobs: Conv2dKnobs, config: Config) -> str | None:
    """Why the machine cannot run these knobs: which buffer, how much is needed, how much is there. None if it can."""
    need = footprint(shape, knobs)
    for what, copies, entries, depth in (
        ("inp", knobs.inp_copies * knobs.threads, need.inp, config.inp_depth),
        ("wgt", knobs.wgt_copies * (1 if knobs.weights is At.ROOT else knobs.threads), need.wgt, config.wgt_depth),
        ("acc", knobs.acc_copies * knobs.threads, need.acc, config.acc_depth),
    ):
        if copies * entries > depth:
            return f"{copies} x {entries} entries in {what}_depth={depth}"
    if need.kernel > config.uop_depth:
        return f"a kernel of {need.kernel} micro-ops in uop_depth={config.uop_depth}"
    if max(knobs.rows, knobs.cols) > MAX_LOOP:
        return f"a loop of {max(knobs.rows, knobs.cols)}; GEMM's go to {MAX_LOOP}"
    if max(knobs.inp_copies, knobs.wgt_copies, knobs.acc_copies) * knobs.threads > config.token_depth:
        return f"more copies than token_depth={config.token_depth}"
    if knobs.threads > blocks(shape.out_h - knobs.first_rows, knobs.rows) + 1:
        return f"{knobs.threads} threads for fewer tiles of rows"
    reduced = prod(chunks(shape, knobs))
    if reduced == 1 and At.CHUNK in (knobs.inputs, knobs.weights):
        return "a single chunk, which is the whole reduction"
    if knobs.inputs is At.IMAGE and (knobs.order is Order.TILE or knobs.inp_copies > 1):
        return "inputs of a whole image stay there only when blocks are the outer loop, in one copy"
    if knobs.inputs is At.TILE and knobs.order is Order.BLOCK:
        return "tiles inside of blocks would be loaded again for each block"
    return None


def require_fit(shape: Blocked, knobs: Conv2dKnobs, config: Config) -> None:
    """
    Raises
    ------
    OperatorError:
        The machine cannot run these knobs.
    """
    reason = misfit(shape, knobs, config)
    if reason is not None:
        raise OperatorError(f"schedule ({knobs}) does not fit: {reason}; choose smaller parts or fewer copies")
