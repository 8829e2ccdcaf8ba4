"""Requantisation of int32 sums that lie in memory: they go through the accumulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .arrangement import rows_of_samples, straight
from .blocked import pointwise
from .operator import Input, Operator
from .quantise import requantise
from .scales import Output, check
from .shapes import blocks, positive
from .tiled import TileKnobs, choose_tiles, schedule_tiles
from .windows import spatial


def requantise_sums(
    shape: Sequence[int], config: Config, *, axis: int, output: Output | None = None, knobs: TileKnobs | None = None
) -> Operator:
    """int8 of int32 sums of any shape.

    Its inputs are the sums, and bias, multiplier and shift int32, a value for each channel of `axis`.

    Raises
    ------
    OperatorError:
        The shape is none, or the output is none that a store gives.
    """
    positive("requantise", **{f"axis {number}": size for number, size in enumerate(shape)})
    finish = output or Output()
    check("requantise", finish)
    before, channels, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    depth = blocks(channels, config.block_out) * config.block_out
    last = axis == len(shape) - 1
    rows = blocks(before, config.batch)
    whole = (config.batch, depth, rows, 1) if last else (rows * config.batch, depth, after, 1)
    blocked = pointwise(whole[0], channels, whole[2], replace(config, block_in=config.block_out))
    sums = t.placeholder(whole, "int32", name="sums")
    scales = [t.placeholder((depth,), "int32", name=name) for name in ("bias", "multiplier", "shift")]
    acc = spatial(whole, lambda *at: sums[at], "acc")

    def finished(n: Expr, c: Expr, y: Expr, x: Expr) -> Expr:
        parts = (scale[c] for scale in scales)
        return requantise(
            acc[n, c, y, x], *parts, zero_point=finish.zero_point, bounds=finish.bounds, fraction=finish.fraction
        )

    out = spatial(whole, finished, "out")
    knobs = knobs or choose_tiles(blocked, config)
    arrangement = (
        rows_of_samples((), before, depth, config.batch, channels)
        if last
        else straight((before, channels, after, 1), whole)
    )
    return Operator(
        name="requantise",
        args=(sums, *scales, out),
        schedule=schedule_tiles(out, acc, None, knobs, config),
        inputs=(Input(arrangement), *(Input(straight((channels,), (depth,))) for _ in scales)),
        output=arrangement,
        output_shape=tuple(shape),
        knobs=knobs,
    )
