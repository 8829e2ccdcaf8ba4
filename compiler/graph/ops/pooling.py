"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Expr, Number

from .windows import Windows, check_window

_FLOATS = ("float32", "float64")


@dataclass(frozen=True, kw_only=True)
class Pool(Op):
    """The greatest value or the mean of each window over data [n, c, *spatial].

    Means are of float32 or float64, greatest values of all numbers; of a window without data the mean is 0 and the
    greatest value the lowest of the type. ONNX operators MaxPool and AveragePool.

    Attributes
    ----------
    function:
        ``max`` or ``avg``.
    kernel, strides, pads_begin, pads_end, dilations:
        An entry a spatial axis, of which there are 1 to 3.
    count_include_pad:
        Means count padding as zeros.
    out_shape:
        Spatial sizes of the output. Windows that reach beyond the padded input see nothing there.
    """

    function: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]
    dilations: tuple[int, ...]
    count_include_pad: bool = False
    out_shape: tuple[int, ...]

    @property
    def windows(self) -> Windows:
        """What each output sees."""
        return Windows(
            kernel=self.kernel,
            strides=self.strides,
            dilations=self.dilations,
            begin=self.pads_begin,
            outputs=self.out_shape,
        )

    def infer(self, *types: TensorType) -> TensorType:
        data = types[0]
        if self.function not in ("max", "avg"):
            raise GraphError(f"{self.name} has the functions max and avg, not {self.function!r}")
        if data.dtype == "bool" or (self.function == "avg" and data.dtype not in _FLOATS):
            raise GraphError(f"{self.name}: {self.function} cannot take {data}")
        axes = data.rank - 2
        check_window(self.name, axes, kernel=self.kernel, strides=self.strides, dilations=self.dilations)
        check_window(self.name, axes, 0, pads_begin=self.pads_begin, pads_end=self.pads_end, out_shape=self.out_shape)
        return TensorType((*data.shape[:2], *self.out_shape), data.dtype)

    def counts(self, spatial: tuple[int, ...]) -> list[Array]:
        """For each axis how many places count, by output, int64."""
        found = []
        for axis, (size, outputs, taps) in enumerate(zip(spatial, self.out_shape, self.kernel, strict=True)):
            first = np.arange(outputs) * self.strides[axis] - self.pads_begin[axis]
            places = first[:, None] + np.arange(taps) * self.dilations[axis]
            low, high = self._bounds(axis, size)
            found.append(((places >= low) & (places < high)).sum(axis=1))
        return found

    def evaluate(self, *arrays: Array) -> Array:
        data = arrays[0]
        if self.function == "max":
            greatest = np.full((*data.shape[:2], *self.out_shape), lowest(data.dtype.name), data.dtype)
            for _, seen in self.windows.positions(self.windows.frame_array(data, lowest(data.dtype.name))):
                np.maximum(greatest, seen, out=greatest)
            return greatest
        sums = np.zeros((*data.shape[:2], *self.out_shape))
        for _, seen in self.windows.positions(self.windows.frame_array(data, 0)):
            sums += seen
        counts = np.ones((), np.int64)
        for along in self.counts(data.shape[2:]):
            counts = counts[..., None] * along
        means: Array = (sums / np.maximum(counts, 1)).astype(data.dtype)
        return means

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        shape = extents(data)
        largest = self.function == "max"
        framed = self.windows.frame(data, lowest(data.dtype) if largest else 0)
        offsets = self.windows.axes()

        def element(n: Expr, c: Expr, *at: Expr) -> Expr:
            value = framed[(n, c, *self.windows.seen(at, offsets))]
            return te.max(value, axis=offsets) if largest else te.sum(value, axis=offsets)

        acc = te.compute((*shape[:2], *self.out_shape), element, name="acc")
        if largest:
            return acc
        counts = self.counts(shape[2:])
        if all((along == along[0]).all() for along in counts):
            count = max(1, prod(int(along[0]) for along in counts))
            return te.compute(extents(acc), lambda *at: acc[at] / float(count), name="mean")

        def mean(*at: Expr) -> Expr:
            number = self._count(0, at[2], shape[2])
            for axis in range(1, len(self.kernel)):
                number = number * self._count(axis, at[2 + axis], shape[2 + axis])
            return acc[at] / te.cast(data.dtype, te.max(number, 1))

        return te.compute(extents(acc), mean, name="mean")

    def _bounds(self, axis: int, size: int) -> tuple[int, int]:
        """Between which places of the data's axis windows count."""
        if not self.count_include_pad:
            return 0, size
        return -self.pads_begin[axis], size + self.pads_end[axis]

    def _count(self, axis: int, at: Expr, size: int) -> Expr:
        """`counts` as an expression."""
        step, first = self.dilations[axis], at * self.strides[axis] - self.pads_begin[axis]
        below, until = ((bound + step - 1 - first) // step for bound in self._bounds(axis, size))
        return te.max(te.min(until, self.kernel[axis]) - te.max(below, 0), 0)


def lowest(dtype: str) -> Number:
    """The lowest value of a type of numbers."""
    return -float("inf") if dtype in _FLOATS else limits(dtype)[0]
