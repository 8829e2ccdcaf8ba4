"""Interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import lcm
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.dtypes import INDEX, limits
from dovetail.compiler.tir.expr import Expr

MODES = ("nearest", "linear", "cubic")
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners")
NEAREST_MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


class Place(NamedTuple):
    """The place in the input of output ``x``: ``(step * x + begin) / unit``, exactly."""

    step: int
    begin: int
    unit: int


@dataclass(frozen=True, kw_only=True)
class Resize(Op):
    """Data with other extents, interpolated along each axis; beyond its edges it goes on as at the edges.

    ``nearest`` takes all numbers, ``linear`` and ``cubic`` float32 and float64. ONNX operator Resize without a region
    of interest.

    Attributes
    ----------
    sizes:
        Of the output, an entry an axis.
    mode:
        ``nearest``, ``linear`` (between two) or ``cubic`` (between four).
    coordinates:
        Where an output lies in the input: ``half_pixel``, ``half_pixel_symmetric``, ``pytorch_half_pixel``,
        ``asymmetric`` or ``align_corners``. Corners are those of the output as it is, whatever the scales.
    nearest_mode:
        ``round_prefer_floor``, ``round_prefer_ceil``, ``floor`` or ``ceil``.
    scales:
        Output per input along each axis, where that is not the ratio of the sizes.
    cubic:
        The coefficient of ``cubic``.
    """

    sizes: tuple[int, ...]
    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    scales: tuple[float, ...] = ()
    cubic: float = -0.75

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        for what, given, known in (
            ("mode", self.mode, MODES),
            ("coordinates", self.coordinates, COORDINATES),
            ("nearest_mode", self.nearest_mode, NEAREST_MODES),
        ):
            if given not in known:
                raise GraphError(f"{self.name}: {what} must be one of {', '.join(known)}, not {given!r}")
        if data.dtype == "bool" or (self.mode != "nearest" and data.dtype not in ("float32", "float64")):
            raise GraphError(f"{self.name}: {self.mode} cannot take {data}")
        if len(self.sizes) != data.rank or len(self.scales) not in (0, data.rank):
            raise GraphError(f"{self.name}: sizes and scales need an entry for each axis of {data}")
        if any(size < 0 for size in self.sizes) or not all(0 < scale < float("inf") for scale in self.scales):
            raise GraphError(f"{self.name}: sizes must be at least 0 and scales above 0")
        if any(size and not given for size, given in zip(self.sizes, data.shape, strict=True)):
            raise GraphError(f"{self.name}: {data} has no elements to interpolate between")
        return TensorType(self.sizes, data.dtype)

    def place(self, axis: int, size: int) -> Place:
        """Where outputs lie along an axis of `size` elements."""
        outputs = self.sizes[axis]
        scale = Fraction(self.scales[axis]) if self.scales else Fraction(outputs, size)
        half = Fraction(1, 2)
        step = 1 / scale
        if self.coordinates == "asymmetric":
            begin = Fraction(0)
        elif self.coordinates == "align_corners":
            step, begin = Fraction(size - 1, outputs - 1) if outputs > 1 else Fraction(0), Fraction(0)
        elif self.coordinates == "pytorch_half_pixel" and outputs == 1:
            step, begin = Fraction(0), Fraction(0)
        else:
            begin = half * step - half
            if self.coordinates == "half_pixel_symmetric":
                begin += Fraction(size, 2) * (1 - outputs / (scale * size))
        unit = lcm(step.denominator, begin.denominator)
        return Place(int(step * unit), int(begin * unit), unit)

    def evaluate(self, *arrays: Array) -> Array:
        data = arrays[0]
        result: Array = data if self.mode == "nearest" else data.astype(np.float64)
        for axis in self._changed(data.shape):
            size, place = data.shape[axis], self.place(axis, data.shape[axis])
            counts = np.arange(self.sizes[axis], dtype=object)
            at = counts * place.step + place.begin
            if self.mode == "nearest":
                result = np.take(result, _within(self._nearest(at, place.unit), size), axis)
                continue
            along = [-1 if other == axis else 1 for other in range(data.ndim)]
            low = at // place.unit
            weights = self._weights(((at - low * place.unit) / place.unit).astype(np.float64))
            total = np.zeros((*result.shape[:axis], self.sizes[axis], *result.shape[axis + 1 :]))
            for offset, weight in zip(self._offsets(), weights, strict=True):
                total += np.take(result, _within(low + offset, size), axis) * np.asarray(weight).reshape(along)
            result = total
        return np.array(result, data.dtype)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        shape = extents(tensors[0])
        result = tensors[0]
        for axis in self._changed(shape):
            result = self._along(result, axis, shape[axis])
        return te.compute(shape, lambda *at: result[at], name="out") if result is tensors[0] else result

    def _along(self, data: te.Tensor, axis: int, size: int) -> te.Tensor:
        place = self.place(axis, size)
        shape = extents(data)
        largest = 2 * (abs(place.step) * self.sizes[axis] + abs(place.begin) + place.unit)
        kind = INDEX if largest <= limits(INDEX)[1] else "int64"

        def read(at: tuple[Expr, ...], index: Expr) -> Expr:
            return data[*at[:axis], te.cast(INDEX, te.clip(index, 0, size - 1)), *at[axis + 1 :]]

        def element(*at: Expr) -> Expr:
            exact = te.cast(kind, at[axis]) * place.step + place.begin
            if self.mode == "nearest":
                return read(at, self._nearest(exact, place.unit))
            low = exact // place.unit
            rest = te.cast(data.dtype, exact - low * place.unit) / float(place.unit)
            terms = [
                read(at, low + offset) * weight
                for offset, weight in zip(self._offsets(), self._weights(rest), strict=True)
            ]
            total: Expr = reduce(add, terms)
            return total

        return te.compute((*shape[:axis], self.sizes[axis], *shape[axis + 1 :]), element, name=f"axis{axis}")

    def _changed(self, shape: tuple[int, ...]) -> list[int]:
        return [
            axis
            for axis, (given, wanted) in enumerate(zip(shape, self.sizes, strict=True))
            if given != wanted or (self.scales and self.scales[axis] != 1)
        ]

    def _nearest(self, at: Any, unit: int) -> Any:
        """The index nearest to ``at / unit``, of an array or an expression."""
        match self.nearest_mode:
            case "floor":
                return at // unit
            case "ceil":
                return (at + (unit - 1)) // unit
            case "round_prefer_floor":
                return (at * 2 + (unit - 1)) // (2 * unit)
            case _:
                return (at * 2 + unit) // (2 * unit)

    def _offsets(self) -> tuple[int, ...]:
        return (0, 1) if self.mode == "linear" else (-1, 0, 1, 2)

    def _weights(self, rest: Any) -> tuple[Any, ...]:
        """Of the elements at `_offsets` from the one below, for the distance from that, 0 to 1."""
        if self.mode == "linear":
            return 1.0 - rest, rest
        a = float(self.cubic)

        def near(x: Any) -> Any:
            return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0

        def far(x: Any) -> Any:
            return ((x * a - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a

        return far(rest + 1.0), near(rest), near(1.0 - rest), far(2.0 - rest)


def _within(index: Array, size: int) -> NDArray[np.intp]:
    return np.clip(index, 0, size - 1).astype(np.intp)
