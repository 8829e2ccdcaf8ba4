"""The padded input of operators that slide a window, as a tensor of its own that only holds what is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Expr, ExprLike

from .blocked import Blocked


def loaded_rows(shape: Blocked, data: t.Tensor, padding: int = 0) -> t.Tensor:
    """`data` [..., h, w] as [..., rows, columns] with `padding` around, without rows that no window sees."""
    lead = data.shape[:-2]

    def element(*at: Expr) -> Expr:
        return _element(shape, data, at, padding)

    return spatial((*lead, shape.loaded_h, shape.loaded_w), element, "inp")


def spatial(extents: Sequence[ExprLike], element: Callable[..., Expr], name: str) -> t.Tensor:
    """A tensor with axes sample, channel, row and column, and between the first two a group if there are five."""
    if len(extents) == 5:
        return t.compute(extents, lambda n, g, c, y, x: element(n, g, c, y, x), name=name)
    return t.compute(extents, lambda n, c, y, x: element(n, c, y, x), name=name)


def times(value: Expr, factor: int) -> Expr:
    """``value * factor``, and `value` itself for a factor of 1."""
    return value * factor if factor != 1 else value


def _element(shape: Blocked, data: t.Tensor, at: Sequence[Expr], padding: int) -> Expr:
    *lead, y, x = at
    top, left, _, _ = shape.pads
    row = times(y, shape.row_step)
    inside = []
    for index, last, before, inputs in (
        (row, (shape.loaded_h - 1) * shape.row_step, top, shape.h),
        (x, shape.loaded_w - 1, left, shape.w),
    ):
        if before:
            inside.append(index >= before)
        if last >= before + inputs:
            inside.append(index < before + inputs)
    value = data[(*lead, row - top if top else row, x - left if left else x)]
    return t.if_then_else(t.all(*inside), value, padding) if inside else value
