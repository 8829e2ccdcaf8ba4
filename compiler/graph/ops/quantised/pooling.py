"""Pooling of int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dovetail.compiler import te
from dovetail.compiler.graph.arithmetic import finished, scaled
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.ops.pool2d import LOWEST
from dovetail.compiler.ops.scales import Output, Scale
from dovetail.compiler.ops.shapes import Pads, Pool2dShape
from dovetail.compiler.tir.expr import Expr

from .elementwise import rescaled


@dataclass(frozen=True, kw_only=True)
class _Pool2d(Op):
    """A window that slides over int8 [n, c, h, w].

    Attributes
    ----------
    kernel, strides:
        Of rows and columns.
    pads:
        Top, left, bottom, right.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    def shape(self, data: TensorType) -> Pool2dShape:
        """The sizes of the pooling.

        Raises
        ------
        GraphError:
            They do not fit one another.
        """
        if data.rank != 4 or data.dtype != "int8":
            raise GraphError(f"{self.name} takes int8 of four axes, not {data}")
        n, c, h, w = data.shape
        try:
            return Pool2dShape(
                n=n, c=c, h=h, w=w, kh=self.kernel[0], kw=self.kernel[1], strides=self.strides, pads=self.pads
            )
        except OperatorError as error:
            raise GraphError(str(error)) from None

    def infer(self, *types: TensorType) -> TensorType:
        shape = self.shape(types[0])
        return TensorType((shape.n, shape.c, shape.out_h, shape.out_w), "int8")

    def windows(self, data: Array, padding: int) -> Array:
        """What each output sees, [n, c, out_h, out_w, kh, kw]."""
        top, left, bottom, right = self.pads
        padded = np.pad(data, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=padding)
        seen: Array = sliding_window_view(padded, self.kernel, axis=(2, 3))
        return seen[:, :, :: self.strides[0], :: self.strides[1]]

    def over(self, data: te.Tensor, padding: int, reduce: Callable[..., Expr], dtype: str) -> te.Tensor:
        """`reduce` of what each output sees."""
        shape = self.shape(TensorType(extents(data), data.dtype))
        top, left, _, _ = self.pads
        dy, dx = te.reduce_axis((0, shape.kh), "dy"), te.reduce_axis((0, shape.kw), "dx")

        def element(n: Expr, c: Expr, y: Expr, x: Expr) -> Expr:
            row, col = y * self.strides[0] + dy - top, x * self.strides[1] + dx - left
            value = data[n, c, row, col]
            if any(self.pads):
                inside = te.all(row >= 0, row < shape.h, col >= 0, col < shape.w)
                value = te.if_then_else(inside, value, te.cast("int8", padding))
            return reduce(value.astype(dtype), axis=[dy, dx])

        return te.compute((shape.n, shape.c, shape.out_h, shape.out_w), element, name="acc")


@dataclass(frozen=True, kw_only=True)
class QMaxPool2d(_Pool2d):
    """The greatest value of each window; padding is never it."""

    def evaluate(self, *arrays: Array) -> Array:
        greatest: Array = self.windows(arrays[0], LOWEST).max(axis=(4, 5))
        return greatest

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return self.over(tensors[0], LOWEST, te.max, "int8")


@dataclass(frozen=True, kw_only=True)
class QAvgPool2d(_Pool2d):
    """The sum of each window, rescaled: the division by the window's size is in the scale.

    Attributes
    ----------
    zero_point:
        Of the data: what padding holds. What the sum has of it is in ``scale.zero_point``.
    scale:
        Of the sum.
    """

    zero_point: int = 0
    scale: Scale = field(default_factory=Scale)
    output: Output = field(default_factory=Output)

    def evaluate(self, *arrays: Array) -> Array:
        sums = self.windows(arrays[0], self.zero_point).astype(np.int64).sum(axis=(4, 5))
        return finished(scaled(sums, self.scale), self.output)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        sums = self.over(tensors[0], self.zero_point, te.sum, "int32")
        return te.compute(sums.shape, lambda *at: rescaled(sums[at], self.scale, self.output), name="out")
