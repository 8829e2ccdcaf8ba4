"""A convolution in blocks as tensor expressions."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler import te as t
from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .blocked import Blocked
from .quantise import INT8, requantise
from .windows import loaded_rows, spatial, times

Bounds = tuple[int, int]
"""Least and greatest value of an output."""


@dataclass(frozen=True)
class Conv2dExpression:
    """The tensors of a convolution, and its axes.

    Attributes
    ----------
    data: int8 [n, ic, h, w]; with several groups [n, g, ic, h, w], ic of each
    weight: int8 [oc, ic, kh, kw]; with several groups [g, oc, ic, kh, kw]
    bias, multiplier, shift: int32 [g * oc]
        Of the requantisation; empty where the sums are wanted.
    inp:
        The padded input, of which only rows are there that something reads.
    acc:
        The sums.
    out: int8 or int32, [n, oc, out_h, out_w] or [n, g, oc, out_h, out_w]
    channel, kernel_row, kernel_col:
        What `acc` is reduced over.
    """

    shape: Blocked
    data: t.Tensor
    weight: t.Tensor
    scales: tuple[t.Tensor, ...]
    inp: t.Tensor
    acc: t.Tensor
    out: t.Tensor
    channel: Axis
    kernel_row: Axis
    kernel_col: Axis

    @property
    def args(self) -> tuple[t.Tensor, ...]:
        """The arguments of the compiled function."""
        return (self.data, self.weight, *self.scales, self.out)


def conv2d_expression(
    shape: Blocked, config: Config, *, requantised: bool = True, zero_point: int = 0, bounds: Bounds = INT8
) -> Conv2dExpression:
    """`shape` as an expression whose extents are whole blocks.

    Parameters
    ----------
    requantised:
        The output is int8, held within `bounds`; otherwise the int32 sums.
    zero_point:
        Of the output.
    """
    ic, oc = shape.ic_blocks * config.block_in, shape.oc_blocks * config.block_out
    samples, group = shape.samples * config.batch, (shape.groups,) if shape.groups > 1 else ()
    data = t.placeholder((samples, *group, ic, shape.h, shape.w), "int8", name="data")
    weight = t.placeholder((*group, oc, ic, shape.kh, shape.kw), "int8", name="weight")
    scales = tuple(
        t.placeholder((shape.groups * oc,), "int32", name=name)
        for name in ("bias", "multiplier", "shift")
        if requantised
    )
    inp = loaded_rows(shape, data)
    k, dy, dx = (t.reduce_axis((0, n), name=name) for n, name in ((ic, "k"), (shape.kh, "dy"), (shape.kw, "dx")))

    def products(*at: Expr) -> Expr:
        n, *g, c, y, x = at
        row = times(y, shape.stride_h) + times(dy.var, shape.dilation_h)
        col = times(x, shape.stride_w) + times(dx.var, shape.dilation_w)
        product = inp[(n, *g, k, row, col)].astype("int32") * weight[(*g, c, k, dy, dx)].astype("int32")
        return t.sum(product, axis=[k, dy, dx])

    acc = spatial((samples, *group, oc, shape.out_h, shape.out_w), products, "acc")

    def finished(*at: Expr) -> Expr:
        if not requantised:
            return acc[at]
        _, *g, c, _, _ = at
        channel = g[0] * oc + c if g else c
        return requantise(acc[at], *(scale[channel] for scale in scales), zero_point=zero_point, bounds=bounds)

    out = spatial((samples, *group, oc, shape.out_h, shape.out_w), finished, "out")
    return Conv2dExpression(shape, data, weight, scales, inp, acc, out, k, dy, dx)
