"""A convolution in blocks as tensor expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

from dovetail.compiler import te as t
from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config

from .blocked import Blocked
from .errors import OperatorError
from .quantise import Residual, requantise
from .scales import Output, Scale, check
from .windows import loaded_rows, spatial, times


@dataclass(frozen=True)
class Conv2dExpression:
    """The tensors of a convolution, and its axes.

    Attributes
    ----------
    data: int8 [n, ic, h, w]; with several groups [n, g, ic, h, w], ic of each
    weight: int8 [oc, ic, kh, kw]; with several groups [g, oc, ic, kh, kw]
    bias, multiplier, shift: int32 [g * oc]
        Of the requantisation; empty where the sums are wanted.
    residual: int8, of the output's shape
        What is added to the outputs; empty where nothing is.
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
    residual: tuple[t.Tensor, ...]
    inp: t.Tensor
    acc: t.Tensor
    out: t.Tensor
    channel: Axis
    kernel_row: Axis
    kernel_col: Axis

    @property
    def args(self) -> tuple[t.Tensor, ...]:
        """The arguments of the compiled function."""
        return (self.data, self.weight, *self.scales, *self.residual, self.out)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What goes on around the sums.

    Attributes
    ----------
    padding:
        What lies around the data: its zero point.
    output:
        How sums become int8; None gives the int32 sums.
    residual:
        How an int8 tensor of the output's shape counts that is added; None where there is none.
    """

    padding: int = 0
    output: Output | None = field(default_factory=Output)
    residual: Scale | None = None

    def __post_init__(self) -> None:
        if self.output is not None:
            check("requantisation", self.output, added=self.residual)
        elif self.residual is not None:
            raise OperatorError(
                "requantisation: a residual is added to int8 outputs, not to int32 sums; give an output"
            )


def conv2d_expression(shape: Blocked, config: Config, finish: Finish) -> Conv2dExpression:
    """`shape` as an expression whose extents are whole blocks."""
    ic, oc = shape.ic_blocks * config.block_in, shape.oc_blocks * config.block_out
    samples, group = shape.samples * config.batch, (shape.groups,) if shape.groups > 1 else ()
    data = t.placeholder((samples, *group, ic, shape.h, shape.w), "int8", name="data")
    weight = t.placeholder((*group, oc, ic, shape.kh, shape.kw), "int8", name="weight")
    scales = tuple(
        t.placeholder((shape.groups * oc,), "int32", name=name)
        for name in ("bias", "multiplier", "shift")
        if finish.output is not None
    )
    inp = loaded_rows(shape, data, finish.padding)
    k, dy, dx = (t.reduce_axis((0, n), name=name) for n, name in ((ic, "k"), (shape.kh, "dy"), (shape.kw, "dx")))

    def products(*at: Expr) -> Expr:
        n, *g, c, y, x = at
        row = times(y, shape.stride_h) + times(dy.var, shape.dilation_h)
        col = times(x, shape.stride_w) + times(dx.var, shape.dilation_w)
        product = inp[(n, *g, k, row, col)].astype("int32") * weight[(*g, c, k, dy, dx)].astype("int32")
        return t.sum(product, axis=[k, dy, dx])

    acc = spatial((samples, *group, oc, shape.out_h, shape.out_w), products, "acc")

    whole = (samples, *group, oc, shape.out_h, shape.out_w)
    residual = tuple(t.placeholder(whole, "int8", name="residual") for _ in range(finish.residual is not None))

    def finished(*at: Expr) -> Expr:
        output, scale = finish.output, finish.residual
        if output is None:
            return acc[at]
        _, *g, c, _, _ = at
        channel = g[0] * oc + c if g else c
        added = None
        if scale is not None:
            added = Residual(residual[0][at], scale.zero_point, scale.multiplier, scale.shift)
        return requantise(
            acc[at],
            *(part[channel] for part in scales),
            zero_point=output.zero_point,
            bounds=output.bounds,
            residual=added,
            fraction=output.fraction,
        )

    out = spatial(whole, finished, "out")
    return Conv2dExpression(shape, data, weight, scales, residual, inp, acc, out, k, dy, dx)
