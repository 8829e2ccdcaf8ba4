"""Operators on single elements on the accelerator: sums, bounds and requantisation, all done on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from . import host
from .blocked import pointwise
from .errors import OperatorError
from .operator import Arrays, Operator
from .quantise import INT8, Residual, requantise
from .shapes import positive
from .tiled import TileKnobs, choose_tiles, require_equal_blocks, schedule_tiles
from .windows import spatial

MAX_RESIDUAL_MULTIPLIER = (1 << 15) - 1


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
    knobs: TileKnobs | None = None,
) -> Operator:
    """The sum of two int8 tensors [n, c, ...], each with its own scale, as int8.

    The first goes through the accumulators, the second comes from memory while the first is stored.

    Raises
    ------
    OperatorError:
        The second's multiplier does not fit 16 bits, or the shape is none.
    """
    first, second = one or Scale(), other or Scale()
    if abs(second.multiplier) > MAX_RESIDUAL_MULTIPLIER:
        raise OperatorError(
            f"add: the second operand's multiplier is at most {MAX_RESIDUAL_MULTIPLIER}, not {second.multiplier}; "
            "use a smaller one with a smaller shift"
        )

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        residual = Residual(others[0], second.zero_point, second.multiplier, second.shift)
        return _scaled(acc, first, output or Output(), residual)

    return _elementwise("add", shape, 2, finished, config, knobs)


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
    knobs: TileKnobs | None = None,
) -> Operator:
    """int8 [n, c, ...] with another scale and zero point."""

    def finished(acc: Expr, others: Sequence[Expr]) -> Expr:
        return _scaled(acc, scale or Scale(), output or Output(), None)

    return _elementwise("rescale", shape, 1, finished, config, knobs)


def _scaled(acc: Expr, scale: Scale, output: Output, residual: Residual | None) -> Expr:
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


def _elementwise(
    name: str,
    shape: Sequence[int],
    operands: int,
    finished: Callable[[Expr, Sequence[Expr]], Expr],
    config: Config,
    knobs: TileKnobs | None,
) -> Operator:
    """`operands` int8 tensors of `shape`, the first in the accumulators, to `finished` of their elements."""
    require_equal_blocks(name, config)
    if len(shape) < 2:
        raise OperatorError(f"{name}: the shape needs samples and channels, not {len(shape)} axes")
    positive(name, **{f"axis {axis}": size for axis, size in enumerate(shape)})
    samples, channels, pixels = shape[0], shape[1], prod(shape[2:])
    blocked = pointwise(samples, channels, pixels, config)
    whole = (blocked.samples * config.batch, blocked.groups * config.block_in, pixels, 1)
    data = [t.placeholder(whole, "int8", name=f"data{number}") for number in range(operands)]
    inp = spatial(whole, lambda *at: data[0][at], "inp")
    acc = spatial(whole, lambda *at: inp[at].astype("int32"), "acc")
    out = spatial(whole, lambda *at: finished(acc[at], [tensor[at] for tensor in data[1:]]), "out")
    knobs = knobs or choose_tiles(blocked, config)

    def prepare(arrays: Arrays) -> list[host.Array]:
        return [host.filled(array.reshape(samples, channels, pixels, 1), whole) for array in arrays]

    def finish(array: host.Array) -> host.Array:
        return host.cropped(array, (samples, channels, pixels, 1)).reshape(tuple(shape))

    return Operator(
        name=name,
        args=(*data, out),
        schedule=schedule_tiles(out, acc, inp, knobs, config),
        output_shape=tuple(shape),
        output_dtype=out.dtype,
        prepare=prepare,
        finish=finish,
        knobs=knobs,
    )
