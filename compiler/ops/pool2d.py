"""Pooling on the accelerator: the ALU combines the inputs of a window in the accumulators."""

from __future__ import annotations

from collections.abc import Callable
from math import frexp

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .arrangement import straight
from .blocked import MAX_PADDING, blocked_pool2d
from .elementwise import rescaled
from .errors import OperatorError
from .operator import Input, Operator, extents
from .quantise import INT8
from .scales import Output, Scale, check
from .shapes import Pool2dShape
from .tiled import TileKnobs, choose_tiles, require_equal_blocks, schedule_tiles
from .windows import loaded_rows, spatial, times

LOWEST = -128
"""What padding holds for the greatest value of a window."""
MULTIPLIER_BITS = 31


def max_pool2d(shape: Pool2dShape, config: Config, *, knobs: TileKnobs | None = None) -> Operator:
    """The greatest value of each window: int8 [n, c, h, w] to int8 [n, c, out_h, out_w].

    Raises
    ------
    OperatorError:
        It does not fit the machine.
    """
    window = _Window("max_pool2d", shape, config, LOWEST)
    acc = window.over(lambda seen: t.max(seen, axis=[window.row, window.col]))
    out = spatial(acc.shape, lambda *at: t.clip(acc[at], *INT8).astype("int8"), "out")
    return window.operator(acc, out, config, knobs)


def avg_pool2d(
    shape: Pool2dShape,
    config: Config,
    *,
    padding: int = 0,
    scale: Scale | None = None,
    output: Output | None = None,
    knobs: TileKnobs | None = None,
) -> Operator:
    """The mean of each window: int8 [n, c, h, w] to int8 [n, c, out_h, out_w].

    Parameters
    ----------
    padding:
        What lies around the data: its zero point.
    scale:
        Of the sum; by default `reciprocal` of the window's size.

    Raises
    ------
    OperatorError:
        It does not fit the machine, or a scale is none that a store takes.
    """
    window = _Window("avg_pool2d", shape, config, padding)
    acc = window.over(lambda seen: t.sum(seen, axis=[window.row, window.col]))
    multiplier, shift = reciprocal(shape.kh * shape.kw)
    chosen, finish = scale or Scale(multiplier=multiplier, shift=shift), output or Output()
    check("avg_pool2d", finish, chosen)
    out = spatial(acc.shape, lambda *at: rescaled(acc[at], chosen, finish), "out")
    return window.operator(acc, out, config, knobs)


def reciprocal(number: int) -> tuple[int, int]:
    """Multiplier and shift whose ``multiplier / 2**shift`` is nearest to ``1 / number``; the multiplier has 31 bits."""
    fraction, exponent = frexp(1 / number)
    multiplier = round(fraction * 2**MULTIPLIER_BITS)
    shift = MULTIPLIER_BITS - exponent
    return (multiplier, shift) if multiplier < 1 << MULTIPLIER_BITS else (multiplier >> 1, shift - 1)


class _Window:
    """A window that slides over a padded input.

    Attributes
    ----------
    row, col:
        Axes over a window's rows and columns.
    """

    def __init__(self, name: str, shape: Pool2dShape, config: Config, padding: int) -> None:
        require_equal_blocks(name, config)
        if max(shape.pads) > MAX_PADDING:
            raise OperatorError(f"{name}: pads go to {MAX_PADDING} on the accelerator, not {max(shape.pads)}")
        self.name, self.shape = name, shape
        self.blocked = blocked_pool2d(shape, config)
        whole = (self.blocked.samples * config.batch, self.blocked.groups * config.block_in, shape.h, shape.w)
        self.data = t.placeholder(whole, "int8", name="data")
        self.inp = loaded_rows(self.blocked, self.data, padding)
        self.row = t.reduce_axis((0, shape.kh), name="dy")
        self.col = t.reduce_axis((0, shape.kw), name="dx")

    def over(self, reduction: Callable[[Expr], Expr]) -> t.Tensor:
        """`reduction` of what each window sees, as int32."""

        def element(n: Expr, c: Expr, y: Expr, x: Expr) -> Expr:
            row = times(y, self.blocked.stride_h) + self.row.var
            col = times(x, self.blocked.stride_w) + self.col.var
            return reduction(self.inp[n, c, row, col].astype("int32"))

        return spatial((*self.data.shape[:2], self.shape.out_h, self.shape.out_w), element, "acc")

    def operator(self, acc: t.Tensor, out: t.Tensor, config: Config, knobs: TileKnobs | None) -> Operator:
        """The operator whose sums are `acc` and whose result is `out`."""
        shape, whole = self.shape, extents(self.data)
        knobs = knobs or choose_tiles(self.blocked, config)
        result = (shape.n, shape.c, shape.out_h, shape.out_w)
        return Operator(
            name=self.name,
            args=(self.data, out),
            schedule=schedule_tiles(out, acc, self.inp, knobs, config),
            inputs=(Input(straight((shape.n, shape.c, shape.h, shape.w), whole)),),
            output=straight(result, extents(out)),
            output_shape=result,
            knobs=knobs,
        )
