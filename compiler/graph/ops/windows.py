"""Windows that slide over the last axes of a tensor: of convolutions and pooling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.types import Array
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.expr import Expr, Number

AXES = (1, 3)
"""The least and the greatest number of spatial axes."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows over spatial axes; each tuple has an entry an axis.

    Attributes
    ----------
    begin:
        Places of padding before the input.
    outputs:
        How many windows there are.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """How many places the windows see, padding included."""
        return tuple(
            (outputs - 1) * stride + span(kernel, dilation) if outputs else 0
            for outputs, stride, kernel, dilation in zip(
                self.outputs, self.strides, self.kernel, self.dilations, strict=True
            )
        )

    def frame_array(self, data: Array, value: Number) -> Array:
        """What the windows see of `data`, with `value` where that is outside."""
        lead = data.ndim - len(self.kernel)
        framed = np.full((*data.shape[:lead], *self.reach), value, data.dtype)
        used = [
            min(size, max(0, reach - begin))
            for size, reach, begin in zip(data.shape[lead:], self.reach, self.begin, strict=True)
        ]
        inner = [slice(begin, begin + size) for begin, size in zip(self.begin, used, strict=True)]
        framed[trailing(inner)] = data[trailing([slice(size) for size in used])]
        return framed

    def positions(self, framed: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
        """Each place in the window, and what all windows see there, [..., *outputs]."""
        for place in np.ndindex(*self.kernel):
            at = [
                slice(offset * dilation, offset * dilation + outputs * stride, stride)
                for offset, dilation, outputs, stride in zip(
                    place, self.dilations, self.outputs, self.strides, strict=True
                )
            ]
            yield place, framed[trailing(at)]

    def frame(self, data: te.Tensor, value: Number) -> te.Tensor:
        """`frame_array` as a stage; `data` itself where it is all that the windows see."""
        shape = extents(data)
        lead = len(shape) - len(self.kernel)
        sizes = shape[lead:]
        if not any(self.begin) and all(reach <= size for reach, size in zip(self.reach, sizes, strict=True)):
            return data

        def element(*at: Expr) -> Expr:
            inner = [index - begin for index, begin in zip(at[lead:], self.begin, strict=True)]
            inside = [test for index, size in zip(inner, sizes, strict=True) for test in (index >= 0, index < size)]
            return te.if_then_else(te.all(*inside), data[(*at[:lead], *inner)], te.cast(data.dtype, value))

        return te.compute((*shape[:lead], *self.reach), element, name="padded")

    def axes(self) -> list[te.Axis]:
        """Reduce axes over the places in the window."""
        return [te.reduce_axis((0, size), f"d{place}") for place, size in enumerate(self.kernel)]

    def seen(self, at: Sequence[Expr], offsets: Sequence[te.Axis]) -> list[Expr]:
        """Indices into what `frame` gives, for the output at `at` and a place in the window."""
        return [
            index * stride + offset * dilation
            for index, stride, offset, dilation in zip(at, self.strides, offsets, self.dilations, strict=True)
        ]


def trailing(at: Sequence[int | slice]) -> tuple[Any, ...]:
    """The index of an array with `at` for its last axes."""
    return (..., *at)


def span(kernel: int, dilation: int) -> int:
    """Places from the first to the last that a window sees."""
    return (kernel - 1) * dilation + 1


def check_window(op: str, axes: int, least: int = 1, **parts: tuple[int, ...]) -> None:
    """
    Raises
    ------
    GraphError:
        There are too few or too many spatial axes, or an attribute has not a number of at least `least` for each.
    """
    if not AXES[0] <= axes <= AXES[1]:
        raise GraphError(f"{op} takes {AXES[0]} to {AXES[1]} spatial axes, not {axes}")
    for name, given in parts.items():
        if len(given) != axes or any(size < least for size in given):
            raise GraphError(f"{op}: {name} must be {axes} numbers of at least {least}, not {list(given)}")
