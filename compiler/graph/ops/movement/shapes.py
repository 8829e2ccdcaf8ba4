"""The same elements in another shape or order of axes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.kinds import broadcast, broadcast_read
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.expr import Const, Expr


@dataclass(frozen=True, kw_only=True)
class Reshape(Op):
    """The same elements in row-major order in another shape."""

    shape: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        result = TensorType(self.shape, types[0].dtype)
        if result.size != types[0].size:
            raise GraphError(f"{self.name}: {types[0]} has {types[0].size} elements, {result} {result.size}")
        return result

    def evaluate(self, *arrays: Array) -> Array:
        return arrays[0].reshape(self.shape)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)

        def element(*at: Expr) -> Expr:
            place: Expr = Const(0)
            for index, size in zip(at, self.shape, strict=True):
                place = index if size == prod(self.shape) else place * size + index
            return data[split(place, sizes)]

        return te.compute(self.shape, element, name="reshaped")


@dataclass(frozen=True, kw_only=True)
class Transpose(Op):
    """The axes in another order: axis i of the output is axis ``order[i]`` of the data."""

    order: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        if sorted(self.order) != list(range(types[0].rank)):
            raise GraphError(f"{self.name}: order {list(self.order)} does not name each axis of {types[0]} once")
        return TensorType(tuple(types[0].shape[axis] for axis in self.order), types[0].dtype)

    def evaluate(self, *arrays: Array) -> Array:
        return np.transpose(arrays[0], self.order).copy(order="C")

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        sizes = extents(data)

        def element(*at: Expr) -> Expr:
            return data[tuple(at[self.order.index(axis)] for axis in range(len(sizes)))]

        return te.compute([sizes[axis] for axis in self.order], element, name="transposed")


@dataclass(frozen=True, kw_only=True)
class Expand(Op):
    """The data repeated along axes of extent 1, and along new leading ones, until it has `shape`."""

    shape: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        result = TensorType(self.shape, types[0].dtype)
        if broadcast(self.name, types[0], result) != self.shape:
            raise GraphError(f"{self.name}: {types[0]} does not broadcast to {list(self.shape)}")
        return result

    def evaluate(self, *arrays: Array) -> Array:
        return np.broadcast_to(arrays[0], self.shape).copy(order="C")

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return te.compute(self.shape, lambda *at: broadcast_read(tensors[0], at), name="expanded")


def split(place: Expr, sizes: tuple[int, ...]) -> tuple[Expr, ...]:
    """The indices of the element that is number `place` in row-major order."""
    indices: list[Expr] = []
    for axis, size in enumerate(sizes):
        inner = prod(sizes[axis + 1 :])
        outer = prod(sizes[:axis])
        quotient = place if inner == 1 else place // inner
        indices.append(Const(0) if size == 1 else quotient if outer == 1 else quotient % size)
    return tuple(indices)
