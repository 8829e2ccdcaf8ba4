"""Operators on single elements on the accelerator: sums, bounds and requantisation, all done on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .arrangement import Arrangement, channels_first, channels_last
from .blocked import pointwise
from .errors import OperatorError
from .operator import Input, Operator
from .quantise import INT8, Residual, requantise
from .scales import Output, Scale, accumulated, check
from .shapes import positive
from .tiled import TileKnobs, choose_tiles, require_equal_blocks, schedule_tiles
from .windows import spatial

__all__ = ["Output", "Scale", "add", "clip", "relu", "rescale", "rescaled"]


def add(
    shape: Sequence[int],
    config: Config,
    *,
    one: Scale | None = None,
    other: Scale | None = None,
    output: Output | None = None,
    axis: int = 1,
    knobs: TileKnobs | None = None,
) -> Operator:
    """The sum of two int8 tensors, each with its own scale, as int8.

    One goes through the accumulators; the other, whose multiplier has 16 bits, comes from memory while that is stored.

    Parameters
    ----------
    axis:
        Of channels, blocks of which share vectors. No result depends on it.

    Raises
    ------
    OperatorError:
        A scale is none that a store takes, or the shape is none.
    """
    scales = (one or Scale(), other or Scale())
    first = accumulated(*scales)
    check("add", output or Output(), scales[first], scales[1 - first])

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        second = scales[1 - first]
        residual = Residual(others[0], second.zero_point, second.multiplier, second.shift)
        return rescaled(acc, scales[first], output or Output(), residual)

    return _elementwise("add", shape, 2, first, finished, config, axis, knobs)


def clip(shape: Sequence[int], config: Config, low: int, high: int, *, knobs: TileKnobs | None = None) -> Operator:
    """int8 [n, c, ...], but at least `low` and at most `high`.

    Raises
    ------
    OperatorError:
        The bounds are no int8, or the lower one is above the other.
    """
    if not INT8[0] <= low <= high <= INT8[1]:
        raise OperatorError(f"clip: the bounds must be int8 and in order, not {low} and {high}")
    return rescale(shape, config, output=Output(bounds=(low, high)), knobs=knobs)


def relu(shape: Sequence[int], config: Config, *, zero_point: int = 0, knobs: TileKnobs | None = None) -> Operator:
    """int8 [n, c, ...], but at least `zero_point`, which stands for 0."""
    return clip(shape, config, zero_point, INT8[1], knobs=knobs)


def rescale(
    shape: Sequence[int],
    config: Config,
    *,
    scale: Scale | None = None,
    output: Output | None = None,
    axis: int = 1,
    knobs: TileKnobs | None = None,
) -> Operator:
    """An int8 tensor with another scale and zero point.

    Parameters
    ----------
    axis:
        As of `add`.

    Raises
    ------
    OperatorError:
        A scale is none that a store takes, or the shape is none.
    """
    check("rescale", output or Output(), scale or Scale())

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        return rescaled(acc, scale or Scale(), output or Output())

    return _elementwise("rescale", shape, 1, 0, finished, config, axis, knobs)


def rescaled(acc: Expr, scale: Scale, output: Output, residual: Residual | None = None) -> Expr:
    """int8 of an int32 value by `scale`, plus the residual, as `output` says, without terms that change nothing."""
    scaled = (scale.multiplier, scale.shift) != (1, 0)
    return requantise(
        acc,
        bias=-scale.zero_point if scale.zero_point else None,
        multiplier=scale.multiplier if scaled else None,
        shift=scale.shift if scaled else None,
        residual=residual,
        fraction=output.fraction,
        zero_point=output.zero_point,
        bounds=output.bounds,
    )


def entries_of(name: str, shape: Sequence[int], axis: int, config: Config) -> Arrangement:
    """A tensor as entries of channels of `axis`, one after the other: [batch, block, ...].

    Raises
    ------
    OperatorError:
        The shape has no samples in front of the channels, or a size is not positive.
    """
    if len(shape) < 2:
        raise OperatorError(f"{name}: the shape needs samples and channels, not {len(shape)} axes")
    positive(name, **{f"axis {number}": size for number, size in enumerate(shape)})
    before, channels, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    if axis == len(shape) - 1:
        return channels_last((before, channels), config.batch, config.block_out)
    return channels_first((before, channels, after), config.batch, config.block_out)


def _elementwise(
    name: str,
    shape: Sequence[int],
    operands: int,
    first: int,
    finished: Callable[[Expr, Sequence[Expr]], Expr],
    config: Config,
    axis: int,
    knobs: TileKnobs | None,
) -> Operator:
    """`operands` int8 tensors of `shape`, one of them in the accumulators, to `finished` of their elements."""
    require_equal_blocks(name, config)
    arrangement = entries_of(name, shape, axis, config)
    entries = prod(arrangement.filled) // (config.batch * config.block_out)
    blocked = pointwise(config.batch, config.block_out, entries, config)
    whole = (config.batch, config.block_out, entries, 1)
    data = [t.placeholder(whole, "int8", name=f"data{number}") for number in range(operands)]
    inp = spatial(whole, lambda *at: data[first][at], "inp")
    acc = spatial(whole, lambda *at: inp[at].astype("int32"), "acc")
    others = [tensor for number, tensor in enumerate(data) if number != first]
    out = spatial(whole, lambda *at: finished(acc[at], [tensor[at] for tensor in others]), "out")
    knobs = knobs or choose_tiles(blocked, config)
    return Operator(
        name=name,
        args=(*data, out),
        schedule=schedule_tiles(out, acc, inp, knobs, config),
        inputs=(Input(arrangement),) * operands,
        output=arrangement,
        output_shape=tuple(shape),
        knobs=knobs,
    )
