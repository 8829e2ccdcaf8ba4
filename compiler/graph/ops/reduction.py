"""Operators that combine elements along axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.dtypes import is_float, limits
from dovetail.compiler.tir.expr import Const, Expr

from .kinds import BOOLEANS, NUMBERS, expect_axis, expect_dtype

FUNCTIONS = ("sum", "prod", "max", "min", "mean")
EXTREMES = ("max", "min")
RUNNING = ("sum", "prod")
COMBINE: dict[str, Callable[..., Expr]] = {
    "sum": te.sum,
    "mean": te.sum,
    "prod": te.product,
    "max": te.max,
    "min": te.min,
}
"""What a reduction does along its axes."""


@dataclass(frozen=True, kw_only=True)
class Reduce(Op):
    """All elements along `axes` combined into one.

    Sums and products are in the type of the data; the mean of integers is cut towards zero. Of no elements the sum is
    0, the product 1, the greatest the lowest there is, the least the highest, and the mean not a number. Whether
    the greatest or least of floats some of which are not a number is one either is not said.

    Attributes
    ----------
    function:
        One of `FUNCTIONS`; ``max`` and ``min`` take booleans too.
    axes:
        Counted from 0; none leave the data as it is.
    keepdims:
        The axes stay, with an extent of 1.
    """

    function: str
    axes: tuple[int, ...]
    keepdims: bool

    def __post_init__(self) -> None:
        _known("reduction", self.function, FUNCTIONS)

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        expect_dtype(self.name, data, (*BOOLEANS, *NUMBERS) if self.function in EXTREMES else NUMBERS)
        for place, axis in enumerate(self.axes):
            expect_axis(self.name, data, axis)
            if axis in self.axes[:place]:
                raise GraphError(f"{self.name} reduces over axis {axis} twice")
        kept = [1 if axis in self.axes else size for axis, size in enumerate(data.shape)]
        left = [size for axis, size in enumerate(data.shape) if axis not in self.axes]
        return TensorType(tuple(kept if self.keepdims else left), data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data = arrays[0]
        with np.errstate(all="ignore"):
            return np.asarray(self._combined(data)).astype(data.dtype, copy=False)

    def _combined(self, data: Array) -> Array:
        axes, keep = self.axes, self.keepdims
        if self.function == "mean":
            count = prod(data.shape[axis] for axis in axes)
            total = np.sum(data, axis=axes, keepdims=keep, dtype=data.dtype)
            if is_float(data.dtype.name):
                return np.asarray(np.divide(total, data.dtype.type(count)))
            return np.trunc(total.astype(np.longdouble) / count) if count else np.zeros_like(total)
        if self.function in RUNNING:
            combine = np.sum if self.function == "sum" else np.prod
            return np.asarray(combine(data, axis=axes, keepdims=keep, dtype=data.dtype))
        extreme = np.max if self.function == "max" else np.min
        start = _extreme(self.function, data.dtype.name)
        return np.asarray(extreme(data, axis=axes, keepdims=keep, initial=start))

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)
        if not self.axes:
            return te.compute(data.shape, lambda *at: data[at], name="reduced")
        output = self.infer(TensorType(sizes, data.dtype)).shape
        over = [te.reduce_axis((0, sizes[axis]), f"k{axis}") for axis in self.axes]
        combine = COMBINE[self.function]

        def element(*at: Expr) -> Expr:
            value = data[placed(at, self.axes, [axis.var for axis in over], self.keepdims)]
            return combine(value.astype("uint8") if data.dtype == "bool" else value, axis=over)

        result = te.compute(output, element, name="reduced")
        if data.dtype == "bool":
            return te.compute(output, lambda *at: te.cast("bool", result[at]), name="extreme")
        if self.function == "mean":
            count = prod(sizes[axis] for axis in self.axes)
            return te.compute(output, lambda *at: _quotient(result[at], count), name="mean")
        return result


@dataclass(frozen=True, kw_only=True)
class ArgReduce(Op):
    """Where along `axis` the greatest or the least element is, as int64.

    Attributes
    ----------
    function:
        ``max`` or ``min``.
    last:
        Of equal ones the last is meant, else the first.
    """

    function: str
    axis: int
    keepdims: bool
    last: bool

    def __post_init__(self) -> None:
        _known("search", self.function, EXTREMES)

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        expect_dtype(self.name, data, NUMBERS)
        expect_axis(self.name, data, self.axis)
        if data.shape[self.axis] == 0:
            raise GraphError(f"{self.name}: axis {self.axis} of {data} has no elements to choose from")
        shape = list(data.shape)
        shape[self.axis : self.axis + 1] = [1] if self.keepdims else []
        return TensorType(tuple(shape), "int64")

    def evaluate(self, *arrays: Array) -> Array:
        data = np.flip(arrays[0], self.axis) if self.last else arrays[0]
        search = np.argmax if self.function == "max" else np.argmin
        found = np.asarray(search(data, axis=self.axis, keepdims=self.keepdims))
        return np.asarray(data.shape[self.axis] - 1 - found if self.last else found).astype(np.int64)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)
        count = sizes[self.axis]
        output = self.infer(TensorType(sizes, data.dtype)).shape
        k, place = te.reduce_axis((0, count), "k"), te.reduce_axis((0, count), "place")
        pick = te.max if self.function == "max" else te.min

        def read(at: tuple[Expr, ...], index: Expr) -> Expr:
            return data[placed(at, (self.axis,), [index], self.keepdims)]

        best = te.compute(output, lambda *at: pick(read(at, k.var), axis=k), name="best")

        def candidate(*at: Expr) -> Expr:
            # Where nothing equals the best, as among what is not a number, it still is a valid place.
            otherwise = 0 if self.last else count - 1
            here = te.select(te.equal(read(at, place.var), best[at]), place.var, Const(otherwise))
            return te.max(here, axis=place) if self.last else te.min(here, axis=place)

        found = te.compute(output, candidate, name="found")
        return te.compute(output, lambda *at: te.cast("int64", found[at]), name="where")


@dataclass(frozen=True, kw_only=True)
class Cumulative(Op):
    """The sum or product of all elements along `axis` up to each.

    Attributes
    ----------
    function:
        ``sum`` or ``prod``.
    exclusive:
        Without the element itself.
    reverse:
        From each to the end.
    """

    function: str
    axis: int
    exclusive: bool
    reverse: bool

    def __post_init__(self) -> None:
        _known("running reduction", self.function, RUNNING)

    def infer(self, *types: TensorType) -> TensorType:
        expect_dtype(self.name, types[0], NUMBERS)
        expect_axis(self.name, types[0], self.axis)
        return types[0]

    def evaluate(self, *arrays: Array) -> Array:
        data = np.flip(arrays[0], self.axis) if self.reverse else arrays[0]
        combine = np.cumsum if self.function == "sum" else np.cumprod
        with np.errstate(all="ignore"):
            result = np.asarray(combine(data, axis=self.axis, dtype=data.dtype))
        if self.exclusive and result.shape[self.axis]:
            result = np.roll(result, 1, self.axis)
            result[(slice(None),) * self.axis + (0,)] = 0 if self.function == "sum" else 1
        return np.flip(result, self.axis).copy() if self.reverse else result

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        k = te.reduce_axis((0, extents(data)[self.axis]), "k")
        combine, neutral = COMBINE[self.function], 0 if self.function == "sum" else 1

        def element(*at: Expr) -> Expr:
            here = at[self.axis]
            first, second = (here, k.var) if self.reverse else (k.var, here)
            counts = first < second if self.exclusive else first <= second
            value = data[(*at[: self.axis], k.var, *at[self.axis + 1 :])]
            return combine(te.if_then_else(counts, value, te.cast(data.dtype, neutral)), axis=k)

        return te.compute(data.shape, element, name="running")


def placed(at: tuple[Expr, ...], axes: tuple[int, ...], values: list[Expr], keepdims: bool) -> tuple[Expr, ...]:
    """The index of the data for one of the reduced: `values` stand on `axes`, which `at` has only with `keepdims`."""
    index = list(at)
    for axis, value in sorted(zip(axes, values, strict=True), key=lambda pair: pair[0]):
        index[axis : axis + keepdims] = [value]
    return tuple(index)


def _known(what: str, function: str, functions: tuple[str, ...]) -> None:
    if function not in functions:
        raise GraphError(f"{function!r} is no {what}; use one of {', '.join(functions)}")


def _extreme(function: str, dtype: str) -> int | float | bool:
    """What leaves the greatest or the least as it is."""
    if dtype == "bool":
        return function == "min"
    if is_float(dtype):
        return float("-inf") if function == "max" else float("inf")
    return limits(dtype)[0 if function == "max" else 1]


def _quotient(total: Expr, count: int) -> Expr:
    if is_float(total.dtype):
        return total / te.cast(total.dtype, float(count))
    wide = total if total.dtype == "uint64" else total.astype("int64")
    divisor, zero = te.cast(wide.dtype, count), te.cast(wide.dtype, 0)
    up = te.all(wide < zero, te.not_equal(wide % divisor, zero))
    return te.cast(total.dtype, te.select(up, wide // divisor + te.cast(wide.dtype, 1), wide // divisor))
