"""Between numbers and their quantised form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Expr

_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")


@dataclass(frozen=True, kw_only=True)
class _Scaled(Op):
    """An operand with a scale and a zero point, each of one element, or one a channel.

    Attributes
    ----------
    axis:
        Of the channels; None where there is one scale for all.
    """

    operands: ClassVar[tuple[int, int | None]] = (3, 3)

    axis: int | None = None

    def check(self, data: TensorType, scale: TensorType, zero_point: TensorType) -> None:
        """Raises `GraphError` unless scale and zero point are for `data`."""
        if self.axis is not None and not 0 <= self.axis < data.rank:
            raise GraphError(f"{self.name}: {data} has no axis {self.axis}")
        shape = () if self.axis is None else (data.shape[self.axis],)
        if scale != TensorType(shape, "float32") or zero_point.shape != shape:
            raise GraphError(
                f"{self.name}: scale must be {TensorType(shape, 'float32')} and the zero point of the same shape, "
                f"not {scale} and {zero_point}"
            )

    def along(self, array: Array, rank: int) -> Array:
        """A scale or zero point in a shape that meets the data."""
        if self.axis is None:
            return array
        return array.reshape([-1 if axis == self.axis else 1 for axis in range(rank)])

    def at(self, tensor: te.Tensor, index: tuple[Expr, ...]) -> Expr:
        return tensor[()] if self.axis is None else tensor[index[self.axis]]


@dataclass(frozen=True, kw_only=True)
class Quantize(_Scaled):
    """``saturate(round(x / scale) + zero_point)`` of float32, ties to even, in the type of the zero point.

    ONNX operator QuantizeLinear. What is not a number, of which that says nothing, becomes the zero point.
    """

    def infer(self, *types: TensorType) -> TensorType:
        self.check(*types)
        if types[0].dtype != "float32" or types[2].dtype not in _INTEGERS:
            raise GraphError(
                f"{self.name} takes float32 to one of {', '.join(_INTEGERS)}, not {types[0]} to {types[2]}"
            )
        return TensorType(types[0].shape, types[2].dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data, scale, zero_point = arrays
        low, high = limits(zero_point.dtype.name)
        steps = np.nan_to_num(np.rint(data / self.along(scale, data.ndim)).astype(np.float64), nan=0.0)
        moved = steps + self.along(zero_point, data.ndim).astype(np.float64)
        result: Array = np.clip(moved, low, high).astype(zero_point.dtype)
        return result

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, scale, zero_point = tensors
        low, high = limits(zero_point.dtype)

        def element(*at: Expr) -> Expr:
            # Wider than any type it goes to, and far from where int64 ends.
            steps = te.clip(te.round(data[at] / self.at(scale, at)), float(-(2**33)), float(2**33))
            moved = te.cast("int64", steps) + te.cast("int64", self.at(zero_point, at))
            return te.cast(zero_point.dtype, te.clip(moved, low, high))

        return te.compute(data.shape, element, name="quantized")


@dataclass(frozen=True, kw_only=True)
class Dequantize(_Scaled):
    """``(x - zero_point) * scale`` as float32. ONNX operator DequantizeLinear."""

    def infer(self, *types: TensorType) -> TensorType:
        self.check(*types)
        if types[0].dtype not in _INTEGERS or types[0].dtype != types[2].dtype:
            raise GraphError(
                f"{self.name} takes integers and a zero point of their type, not {types[0]} and {types[2]}"
            )
        return TensorType(types[0].shape, "float32")

    def evaluate(self, *arrays: Array) -> Array:
        data, scale, zero_point = arrays
        distance = data.astype(np.int64) - self.along(zero_point, data.ndim).astype(np.int64)
        result: Array = distance.astype(np.float32) * self.along(scale, data.ndim)
        return result

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, scale, zero_point = tensors

        def element(*at: Expr) -> Expr:
            distance = te.cast("int64", data[at]) - te.cast("int64", self.at(zero_point, at))
            return te.cast("float32", distance) * self.at(scale, at)

        return te.compute(data.shape, element, name="dequantized")
