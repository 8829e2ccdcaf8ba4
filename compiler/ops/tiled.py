"""Tiles of operators that the ALU computes: as large as the buffers hold twice."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler import te as t
from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER, LANES
from dovetail.isa.config import Config

from .blocked import Blocked
from .errors import OperatorError
from .space import parts

COPIES = 2
TILES = 4
"""Tiles of whole blocks are at least so many, where there are blocks enough, so that one is loaded beside another."""


@dataclass(frozen=True, kw_only=True)
class TileKnobs:
    """A schedule of tiles of outputs.

    Attributes
    ----------
    rows, cols:
        Outputs of a tile.
    blocks:
        Blocks of channels of a tile.
    copies:
        Copies of the buffers that are used in turn.
    """

    rows: int
    cols: int
    blocks: int = 1
    copies: int = COPIES


def require_equal_blocks(name: str, config: Config) -> None:
    """
    Raises
    ------
    OperatorError:
        The ALU cannot take input vectors as they are: they are not as wide as accumulators.
    """
    if config.block_in != config.block_out:
        raise OperatorError(
            f"{name} needs input vectors as wide as accumulators; block_in={config.block_in}, "
            f"block_out={config.block_out}"
        )


def choose_tiles(shape: Blocked, config: Config) -> TileKnobs:
    """The largest tiles of whole blocks, of whole rows or of parts of a row, of which two fit the buffers, or at least
    one.

    Raises
    ------
    OperatorError:
        Not even a single output fits.
    """
    for copies in range(min(COPIES, config.token_depth), 0, -1):
        for cols in parts(shape.out_w):
            for rows in parts(shape.out_h):
                inputs = copies * shape.rows(rows, shape.kh) * shape.cols(cols, shape.kw)
                most = min(config.inp_depth // inputs, config.acc_depth // (copies * rows * cols))
                if most:
                    whole = (rows, cols) == (shape.out_h, shape.out_w)
                    most = min(most, shape.groups // TILES) if whole else 1
                    each = next((size for size in parts(shape.groups) if size <= most), 1)
                    return TileKnobs(rows=rows, cols=cols, blocks=each, copies=copies)
    needed = shape.rows(1, shape.kh) * shape.cols(1, shape.kw)
    raise OperatorError(
        f"one output of a {shape.kh}x{shape.kw} window needs {needed} input vectors; inp_depth={config.inp_depth}"
    )


def schedule_tiles(out: t.Tensor, acc: t.Tensor, inp: t.Tensor | None, knobs: TileKnobs, config: Config) -> t.Schedule:
    """Tile `out` [n, c, y, x]; for each tile load `inp` and compute `acc`, with reductions outside of its outputs.

    Parameters
    ----------
    inp:
        None where accumulators are loaded from memory.
    """
    s = t.create_schedule(out)
    stage = s[out]
    (sample, block, row, col), lanes = _blocks(s, out, config)
    inner: list[Axis] = []
    if knobs.blocks > 1:
        block, each = stage.split(block, factor=knobs.blocks)
        inner.append(each)
    rows, row = stage.split(row, factor=knobs.rows)
    cols, col = stage.split(col, factor=knobs.cols)
    stage.reorder(sample, block, rows, cols, *inner, row, col, *lanes)
    stage.pragma(lanes[0], LANES)
    for tensor, scope in ((acc, ACC_BUFFER), (inp, INP_BUFFER)):
        if tensor is not None:
            s[tensor].set_scope(scope)
            s[tensor].compute_at(stage, cols)
            s[tensor].ring_buffer(knobs.copies)
    outer, lanes = _blocks(s, acc, config)
    sample, block, row, col = outer
    s[acc].reorder(sample, block, *s[acc].op.reduce_axis, row, col, *lanes)
    s[acc].pragma(lanes[0], LANES)
    return s


def _blocks(s: t.Schedule, tensor: t.Tensor, config: Config) -> tuple[tuple[Axis, Axis, Axis, Axis], list[Axis]]:
    """Split the lanes of accumulators off. Returns the loops over samples, blocks, rows and columns, and the lanes."""
    sample, channel, row, col = s[tensor].op.axis
    lanes: list[Axis] = []
    if config.batch > 1:
        sample, lane = s[tensor].split(sample, factor=config.batch)
        lanes.append(lane)
    block, lane = s[tensor].split(channel, factor=config.block_out)
    return (sample, block, row, col), [*lanes, lane]
