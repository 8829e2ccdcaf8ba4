"""The part of a padded input that a convolution reads, as a tensor that is computed first."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler import te
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.expr import Expr, Number

from ..shapes import Conv2dShape

OFFSET = 128
"""Added to int8 data where it is to be unsigned."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where windows lie in the padded input.

    Attributes
    ----------
    rows, cols:
        What is read of the padded input.
    steps:
        Rows and columns of the input from one of the frame to the next: a 1 x 1 kernel may skip what it never reads.
    strides:
        Rows and columns of the frame from one window to the next.
    """

    shape: Conv2dShape
    rows: int
    cols: int
    steps: tuple[int, int]
    strides: tuple[int, int]

    @property
    def is_input(self) -> bool:
        """The frame is the input itself."""
        inside = self.rows <= self.shape.h and self.cols <= self.shape.w
        return not any(self.shape.pads) and self.steps == (1, 1) and inside

    def source(self, y: Expr, x: Expr) -> tuple[Expr, Expr]:
        """Row and column of the input at a place of the frame; outside of it where there is padding."""
        top, left, _, _ = self.shape.pads
        return y * self.steps[0] - top, x * self.steps[1] - left

    def inside(self, row: Expr, col: Expr) -> list[Expr]:
        """What must hold of a `source` for the input to have it; what always holds is left out."""
        top, left, _, _ = self.shape.pads
        conditions = []
        for at, before, last, size in (
            (row, top, (self.rows - 1) * self.steps[0] - top, self.shape.h),
            (col, left, (self.cols - 1) * self.steps[1] - left, self.shape.w),
        ):
            if before:
                conditions.append(at >= 0)
            if last >= size:
                conditions.append(at < size)
        return conditions


def frame(shape: Conv2dShape, out_cols: int, out_rows: int | None = None, compact: bool = True) -> Frame:
    """The frame of a convolution.

    Parameters
    ----------
    out_cols, out_rows:
        Columns and rows of output, which may be more than it has; its rows by default.
    compact:
        A 1 x 1 kernel's frame is without what it never reads.
    """
    one_pixel = compact and shape.kh == shape.kw == 1
    steps = shape.strides if one_pixel else (1, 1)
    strides = (1, 1) if one_pixel else shape.strides
    return Frame(
        shape=shape,
        rows=((out_rows or shape.out_h) - 1) * strides[0] + (shape.kh - 1) * shape.dilation[0] + 1,
        cols=(out_cols - 1) * strides[1] + (shape.kw - 1) * shape.dilation[1] + 1,
        steps=steps,
        strides=strides,
    )


def framed(data: Tensor, frame: Frame, padding: Number = 0) -> Tensor:
    """`data` [n, groups, channels, h, w] with `padding` around; `data` itself where nothing changes."""
    if frame.is_input:
        return data
    n, groups, channels, _, _ = data.shape

    def element(b: Expr, g: Expr, c: Expr, y: Expr, x: Expr) -> Expr:
        row, col = frame.source(y, x)
        return _guarded(frame.inside(row, col), data[b, g, c, row, col], padding)

    return te.compute((n, groups, channels, frame.rows, frame.cols), element, name="frame")


def framed_unsigned(data: Tensor, frame: Frame, together: int, padding: int = 0) -> Tensor:
    """int8 `data` [n, groups, channels, h, w] with `padding` around, plus `OFFSET`, as uint8 [n, groups, channels /
    together, rows, cols, together]."""
    shape = frame.shape
    channels = shape.ic // shape.groups
    outer = -(-channels // together)

    def element(b: Expr, g: Expr, c: Expr, y: Expr, x: Expr, u: Expr) -> Expr:
        row, col = frame.source(y, x)
        channel = c * together + u
        conditions = frame.inside(row, col)
        if channels % together:
            conditions.append(channel < channels)
        return _guarded(conditions, te.cast("uint8", data[b, g, channel, row, col] ^ -OFFSET), OFFSET + padding)

    return te.compute((shape.n, shape.groups, outer, frame.rows, frame.cols, together), element, name="frame")


def _guarded(conditions: list[Expr], value: Expr, other: Number) -> Expr:
    return te.if_then_else(te.all(*conditions), value, te.cast(value.dtype, other)) if conditions else value
