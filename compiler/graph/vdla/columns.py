"""Columns of what each output of a convolution sees, as the accelerator reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.conv2d import ColumnsOf
from dovetail.compiler.tir.expr import Expr


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A convolution's data [n, ic, h, w] with a row an output, [n * out_h * out_w, ic * kh * kw], in blocks.

    Elements that several outputs see are there several times, so that this is no `Packing`.

    Attributes
    ----------
    type:
        Of the data.
    window:
        What each output sees.
    packing:
        Of the rows.
    """

    type: TensorType
    window: ColumnsOf
    packing: Packing

    def __str__(self) -> str:
        return f"columns of {self.window.shape.kh}x{self.window.shape.kw}, {self.packing}"

    @property
    def packed(self) -> TensorType:
        """The type of what lies in DRAM."""
        return self.packing.packed

    def pack(self, array: Array) -> Array:
        """The columns of `array`, as they lie in DRAM."""
        return self.packing.pack(self.window(array))

    def unpack(self, packed: Array) -> Array:
        """The data; 0 where no output sees it."""
        shape = self.window.shape
        numbers = np.arange(1, self.type.size + 1, dtype=np.int64).reshape(self.type.shape)
        places = ColumnsOf(shape, 0)(numbers)
        data = np.zeros(self.type.size + 1, packed.dtype)
        data[places] = self.packing.unpack(packed)
        return data[1:].reshape(self.type.shape)

    def compute(self, tensor: te.Tensor) -> te.Tensor:
        """`pack` as a tensor expression."""
        shape, padding = self.window.shape, self.window.padding
        top, left, _, _ = shape.pads
        pixels, taps = shape.out_h * shape.out_w, shape.kh * shape.kw

        def element(row: Expr, column: Expr) -> Expr:
            pixel, tap = row % pixels, column % taps
            y = pixel // shape.out_w * shape.strides[0] + tap // shape.kw * shape.dilation[0] - top
            x = pixel % shape.out_w * shape.strides[1] + tap % shape.kw * shape.dilation[1] - left
            value = tensor[row // pixels, column // taps, y, x]
            if not any(shape.pads):
                return value
            inside = te.all(y >= 0, y < shape.h, x >= 0, x < shape.w)
            return te.if_then_else(inside, value, te.cast(tensor.dtype, padding))

        return self.packing.compute(te.compute(self.packing.type.shape, element, name="columns"))
