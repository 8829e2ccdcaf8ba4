"""Tensors put together, cut, padded and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.kinds import expect_axis
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.expr import Const, Expr, Number

MODES = ("constant", "reflect", "edge", "wrap")


@dataclass(frozen=True, kw_only=True)
class Concat(Op):
    """The operands one behind the other along `axis`."""

    operands: ClassVar[tuple[int, int | None]] = (1, None)

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        first = types[0]
        expect_axis(self.name, first, self.axis)
        for other in types[1:]:
            if other.dtype != first.dtype or self._others(other.shape) != self._others(first.shape):
                raise GraphError(f"{self.name} along axis {self.axis}: {first} and {other} differ in more than that")
        shape = list(first.shape)
        shape[self.axis] = sum(kind.shape[self.axis] for kind in types)
        return TensorType(tuple(shape), first.dtype)

    def _others(self, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        return len(shape), shape[: self.axis], shape[self.axis + 1 :]

    def evaluate(self, *arrays: Array) -> Array:
        return np.concatenate(arrays, self.axis)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        ends = list(accumulate(extents(tensor)[self.axis] for tensor in tensors))
        shape = list(extents(tensors[0]))
        shape[self.axis] = ends[-1]

        def element(*at: Expr) -> Expr:
            def part(place: int) -> Expr:
                begin = ends[place - 1] if place else 0
                value = tensors[place][(*at[: self.axis], at[self.axis] - begin, *at[self.axis + 1 :])]
                if place == len(tensors) - 1:
                    return value
                return te.if_then_else(at[self.axis] < ends[place], value, part(place + 1))

            return part(0)

        return te.compute(shape, element, name="joined")


@dataclass(frozen=True, kw_only=True)
class Slice(Op):
    """The elements ``starts[i] + n * steps[i]`` for n below ``sizes[i]`` along each axis i; steps may be negative."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        if not len(self.starts) == len(self.sizes) == len(self.steps) == data.rank:
            raise GraphError(f"{self.name} needs a start, a size and a step for each axis of {data}")
        for axis, (start, size, step) in enumerate(zip(self.starts, self.sizes, self.steps, strict=True)):
            last = start + (size - 1) * step
            if size and not (0 <= start < data.shape[axis] and 0 <= last < data.shape[axis]):
                raise GraphError(f"{self.name}: from {start} to {last} is outside of axis {axis} of {data}")
        return TensorType(self.sizes, data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        cut = []
        for start, size, step in zip(self.starts, self.sizes, self.steps, strict=True):
            stop = start + size * step
            cut.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
        return arrays[0][tuple(cut)].copy(order="C")

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        def element(*at: Expr) -> Expr:
            places = zip(at, self.starts, self.sizes, self.steps, strict=True)
            return tensors[0][
                tuple(Const(start) if size == 1 else index * step + start for index, start, size, step in places)
            ]

        return te.compute(self.sizes, element, name="cut")


@dataclass(frozen=True, kw_only=True)
class Pad(Op):
    """The data with more elements before and after it along each axis.

    Attributes
    ----------
    before, after:
        How many, of each axis; at least 0.
    mode:
        Which: ``constant``, `value`; ``reflect``, the data mirrored at its first and last elements; ``edge``, these
        elements; ``wrap``, the data again.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: str
    value: Number = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise GraphError(f"{self.mode!r} is no mode of {self.name}; use one of {', '.join(MODES)}")

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        if not len(self.before) == len(self.after) == data.rank or min((*self.before, *self.after), default=0) < 0:
            raise GraphError(f"{self.name} needs two numbers, at least 0, for each axis of {data}")
        shape = tuple(one + size + two for one, size, two in zip(self.before, data.shape, self.after, strict=True))
        if self.mode != "constant" and any(new and not old for new, old in zip(shape, data.shape, strict=True)):
            raise GraphError(f"{self.name}: {data} has no elements to repeat as mode {self.mode} does")
        return TensorType(shape, data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data, ends = arrays[0], list(zip(self.before, self.after, strict=True))
        if self.mode == "constant":
            fill: Any = np.asarray(self.value).astype(data.dtype)
            return np.pad(data, ends, constant_values=fill) if data.ndim else data
        result = data
        for axis, (first, last) in enumerate(ends):
            places = np.arange(-first, data.shape[axis] + last)
            result = np.take(result, self._source(places, data.shape[axis]), axis)
        return result

    def _source(self, places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        if size == 0:
            return places
        if self.mode == "wrap":
            return places % size
        if self.mode == "edge" or size == 1:
            return np.clip(places, 0, size - 1)
        mirrored: NDArray[np.int64] = size - 1 - np.abs(places % (2 * (size - 1)) - (size - 1))
        return mirrored

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)
        shape = [one + size + two for one, size, two in zip(self.before, sizes, self.after, strict=True)]

        def element(*at: Expr) -> Expr:
            places = [index - first if first else index for index, first in zip(at, self.before, strict=True)]
            if self.mode != "constant":
                return data[
                    tuple(self._index(*one) for one in zip(places, self.before, sizes, self.after, strict=True))
                ]
            tests = [place >= 0 for place, first in zip(places, self.before, strict=True) if first]
            tests += [place < size for place, size, last in zip(places, sizes, self.after, strict=True) if last]
            if not tests:
                return data[tuple(places)]
            return te.if_then_else(te.all(*tests), data[tuple(places)], te.cast(data.dtype, self._fill(data.dtype)))

        return te.compute(shape, element, name="padded")

    def _fill(self, dtype: str) -> Number:
        fill: Number = np.asarray(self.value).astype(dtype).item()
        return fill

    def _index(self, place: Expr, before: int, size: int, after: int) -> Expr:
        if not before and not after:
            return place
        if self.mode == "wrap":
            return place % size
        if self.mode == "edge" or size == 1:
            return te.clip(place, 0, size - 1)
        period = 2 * (size - 1)
        return size - 1 - te.abs(place % period - (size - 1))


@dataclass(frozen=True, kw_only=True)
class Tile(Op):
    """The data ``repeats[i]`` times behind itself along each axis i."""

    repeats: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        if len(self.repeats) != data.rank or min(self.repeats, default=0) < 0:
            raise GraphError(f"{self.name} needs a number of repeats, at least 0, for each axis of {data}")
        return TensorType(_scaled(data.shape, self.repeats), data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        return np.tile(arrays[0], self.repeats)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)

        def element(*at: Expr) -> Expr:
            return data[
                tuple(
                    index if times == 1 else index % size
                    for index, size, times in zip(at, sizes, self.repeats, strict=True)
                )
            ]

        return te.compute(_scaled(sizes, self.repeats), element, name="tiled")


def _scaled(shape: Sequence[int], repeats: Sequence[int]) -> tuple[int, ...]:
    return tuple(size * times for size, times in zip(shape, repeats, strict=True))
