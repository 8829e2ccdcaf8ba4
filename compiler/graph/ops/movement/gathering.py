"""Elements chosen by indices that are data. Negative indices count from the end; those outside of the data are moved
to its nearest element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.kinds import expect_axis, expect_dtype
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.expr import Expr

INDICES = ("int32", "int64")


@dataclass(frozen=True, kw_only=True)
class Gather(Op):
    """Slices of the data along `axis`, of which each index of the second operand chooses one.

    Their places are those of the indices: the shape of the indices takes the place of the axis.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 2)

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        data, indices = types
        expect_dtype(f"{self.name}: indices", indices, INDICES)
        expect_axis(self.name, data, self.axis)
        shape = (*data.shape[: self.axis], *indices.shape, *data.shape[self.axis + 1 :])
        return _chosen(self.name, data, shape)

    def evaluate(self, *arrays: Array) -> Array:
        data, indices = arrays
        return np.take(data, _within(indices, data.shape[self.axis]), self.axis)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, indices = tensors
        sizes, rank = extents(data), len(extents(indices))

        def element(*at: Expr) -> Expr:
            index = indices[at[self.axis : self.axis + rank]]
            return data[(*at[: self.axis], _bounded(index, sizes[self.axis]), *at[self.axis + rank :])]

        shape = (*sizes[: self.axis], *extents(indices), *sizes[self.axis + 1 :])
        return te.compute(shape, element, name="gathered")


@dataclass(frozen=True, kw_only=True)
class GatherElements(Op):
    """The element of the data at the place of each index, but for `axis`, where the index says which."""

    operands: ClassVar[tuple[int, int | None]] = (2, 2)

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        data, indices = types
        expect_dtype(f"{self.name}: indices", indices, INDICES)
        expect_axis(self.name, data, self.axis)
        fits = indices.rank == data.rank and all(
            axis == self.axis or size <= data.shape[axis] for axis, size in enumerate(indices.shape)
        )
        if not fits:
            raise GraphError(f"{self.name} along axis {self.axis}: indices {indices} do not fit in {data}")
        return _chosen(self.name, data, indices.shape)

    def evaluate(self, *arrays: Array) -> Array:
        data, indices = arrays
        seen = tuple(slice(None) if axis == self.axis else slice(size) for axis, size in enumerate(indices.shape))
        return np.take_along_axis(data[seen], _within(indices, data.shape[self.axis]), self.axis)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, indices = tensors
        size = extents(data)[self.axis]

        def element(*at: Expr) -> Expr:
            return data[(*at[: self.axis], _bounded(indices[at], size), *at[self.axis + 1 :])]

        return te.compute(indices.shape, element, name="gathered")


@dataclass(frozen=True, kw_only=True)
class GatherND(Op):
    """Slices of the data, of which each row of the second operand chooses one.

    A row is the last axis of the indices: one index for each of the axes behind the first `batch_dims`, which data and
    indices share.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 2)

    batch_dims: int = 0

    def infer(self, *types: TensorType) -> TensorType:
        data, indices = types
        expect_dtype(f"{self.name}: indices", indices, INDICES)
        batch = self.batch_dims
        if indices.rank <= batch or data.rank < batch or indices.shape[:batch] != data.shape[:batch]:
            raise GraphError(f"{self.name}: {data} and indices {indices} do not share {batch} axes")
        depth = batch + indices.shape[-1]
        if depth > data.rank:
            raise GraphError(f"{self.name}: indices {indices} choose along more axes than {data} has")
        return _chosen(self.name, data, (*indices.shape[:-1], *data.shape[depth:]))

    def evaluate(self, *arrays: Array) -> Array:
        data, indices = arrays
        places = indices.shape[:-1]
        index: list[Array] = []
        for axis in range(self.batch_dims):
            own = [-1 if other == axis else 1 for other in range(len(places))]
            index.append(np.broadcast_to(np.arange(places[axis]).reshape(own), places))
        for part in range(indices.shape[-1]):
            index.append(_within(indices[..., part], data.shape[self.batch_dims + part]))
        if not index:
            return np.broadcast_to(data, (*places, *data.shape)).copy()
        return data[tuple(index)]

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, indices = tensors
        sizes = extents(data)
        places, batch = extents(indices)[:-1], self.batch_dims
        depth = batch + extents(indices)[-1]

        def element(*at: Expr) -> Expr:
            own = at[: len(places)]
            chosen = [_bounded(indices[(*own, axis - batch)], sizes[axis]) for axis in range(batch, depth)]
            return data[(*own[:batch], *chosen, *at[len(places) :])]

        return te.compute((*places, *sizes[depth:]), element, name="gathered")


def _chosen(op: str, data: TensorType, shape: tuple[int, ...]) -> TensorType:
    result = TensorType(shape, data.dtype)
    if result.size and not data.size:
        raise GraphError(f"{op}: {data} has no elements to choose from")
    return result


def _within(indices: Array, size: int) -> Array:
    return np.clip(np.where(indices < 0, indices + size, indices), 0, max(size - 1, 0))


def _bounded(index: Expr, size: int) -> Expr:
    return te.clip(te.select(index < 0, index + size, index), 0, size - 1)
