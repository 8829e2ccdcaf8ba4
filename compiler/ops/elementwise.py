"""Operators on single elements on the accelerator: sums, bounds and requantisation, all done on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .arrangement import Arrangement, channels_first, channels_last
from .blocked import pointwise
from .errors import OperatorError
from .operator import Input, Operator
from .quantise import INT8, Residual, requantise
from .shapes import positive
from .tiled import TileKnobs, choose_tiles, require_equal_blocks, schedule_tiles
from .windows import spatial

INT16 = (-(1 << 15), (1 << 15) - 1)
INT32 = (-(1 << 31), (1 << 31) - 1)
MAX_SHIFT = 63
"""Of sums, by PARAM."""
MAX_RESIDUAL_SHIFT = 31
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
    first = 0 if residual_misfit(scales[1]) is None else 1
    check_scale("add", scales[first])
    check_residual("add", scales[1 - first])

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        second = scales[1 - first]
        residual = Residual(others[0], second.zero_point, second.multiplier, second.shift)
        return rescaled(acc, scales[first], output or Output(), residual)

    return _elementwise("add", shape, 2, first, finished, output or Output(), config, axis, knobs)


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
    check_scale("rescale", scale or Scale())

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        return rescaled(acc, scale or Scale(), output or Output())

    return _elementwise("rescale", shape, 1, 0, finished, output or Output(), config, axis, knobs)


def rescaled(acc: Expr, scale: Scale, output: Output, residual: Residual | None = None) -> Expr:
    """int8 of an int32 value by `scale`, plus the residual, as `output` says; terms that change nothing are left out."""
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


def scale_misfit(scale: Scale) -> str | None:
    """Why a store cannot scale sums so; None if it can."""
    return (
        _nothing(scale)
        or _outside("multiplier", scale.multiplier, *INT32)
        or _outside("shift", scale.shift, 0, MAX_SHIFT)
        or _outside("bias", -scale.zero_point, *INT32)
    )


def residual_misfit(scale: Scale) -> str | None:
    """Why a store cannot scale so what it adds; None if it can."""
    return (
        _nothing(scale)
        or _outside("multiplier of what is added", scale.multiplier, *INT16)
        or _outside("shift of what is added", scale.shift, 0, MAX_RESIDUAL_SHIFT)
        or _outside("zero point of what is added", scale.zero_point, *INT8)
    )


def output_misfit(output: Output) -> str | None:
    """Why a store cannot finish outputs so; None if it can."""
    low, high = output.bounds
    if not INT8[0] <= low <= high <= INT8[1]:
        return f"bounds {low} and {high}, which are to be int8 and in order"
    if low == high:
        return f"an output that is always {low}"
    return _outside("fraction", output.fraction, 0, MAX_RESIDUAL_SHIFT) or _outside(
        "zero point", output.zero_point, *INT8
    )


def check_scale(name: str, scale: Scale) -> None:
    """Raises `OperatorError` unless a store can scale sums so."""
    _check(name, scale_misfit(scale))


def check_residual(name: str, scale: Scale) -> None:
    """Raises `OperatorError` unless a store can scale so what it adds."""
    _check(name, residual_misfit(scale))


def check_output(name: str, output: Output) -> None:
    """Raises `OperatorError` unless a store can finish outputs so."""
    _check(name, output_misfit(output))


def _nothing(scale: Scale) -> str | None:
    return None if scale.multiplier else "a multiplier of 0, which leaves nothing of an operand"


def _outside(what: str, value: int, low: int, high: int) -> str | None:
    return None if low <= value <= high else f"{what} {value}, which a store takes from {low} to {high}"


def _check(name: str, misfit: str | None) -> None:
    if misfit is not None:
        raise OperatorError(f"{name}: {misfit}; use a smaller multiplier with a smaller shift, or the CPU")


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
    output: Output,
    config: Config,
    axis: int,
    knobs: TileKnobs | None,
) -> Operator:
    """`operands` int8 tensors of `shape`, one of them in the accumulators, to `finished` of their elements."""
    require_equal_blocks(name, config)
    check_output(name, output)
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
