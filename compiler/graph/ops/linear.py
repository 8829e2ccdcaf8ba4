"""Convolutions and matrix multiplication."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.expr import Expr

from .windows import Windows, check_window, span, trailing

NUMBERS = ("float32", "float64", "int32", "int64")


@dataclass(frozen=True, kw_only=True)
class Conv(Op):
    """A convolution of data [n, ic, *spatial] with weight [oc, ic / groups, *kernel], plus bias [oc] if given.

    All of one type: float32, float64, int32 or int64. ONNX operator Conv.

    Attributes
    ----------
    strides, pads_begin, pads_end, dilations:
        An entry a spatial axis, of which there are 1 to 3. Padding holds 0.
    groups:
        Output channels of a group see only the input channels of the same group.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 3)

    strides: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]
    dilations: tuple[int, ...]
    groups: int = 1

    def windows(self, data: tuple[int, ...], weight: tuple[int, ...]) -> Windows:
        """What each output sees, for the shapes of data and weight."""
        outputs = tuple(
            (size + begin + end - span(kernel, dilation)) // stride + 1
            for size, begin, end, kernel, dilation, stride in zip(
                data[2:], self.pads_begin, self.pads_end, weight[2:], self.dilations, self.strides, strict=True
            )
        )
        return Windows(
            kernel=weight[2:],
            strides=self.strides,
            dilations=self.dilations,
            begin=self.pads_begin,
            outputs=outputs,
        )

    def infer(self, *types: TensorType) -> TensorType:
        data, weight = types[:2]
        _check_types(self, types, weight.shape[0] if weight.rank else 0)
        check_window(self.name, data.rank - 2, strides=self.strides, dilations=self.dilations, kernel=weight.shape[2:])
        check_window(self.name, data.rank - 2, 0, pads_begin=self.pads_begin, pads_end=self.pads_end)
        if self.groups < 1 or data.shape[1] != weight.shape[1] * self.groups or weight.shape[0] % self.groups:
            raise GraphError(
                f"{self.name}: {data.shape[1]} channels in {self.groups} groups do not fit the weight {weight}"
            )
        outputs = self.windows(data.shape, weight.shape).outputs
        if any(size < 1 for size in outputs):
            raise GraphError(
                f"{self.name}: the kernel {list(weight.shape[2:])} is larger than the padded input of {data}; "
                f"use a smaller kernel or dilation, or more padding"
            )
        return TensorType((data.shape[0], weight.shape[0], *outputs), data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data, weight = arrays[:2]
        windows = self.windows(data.shape, weight.shape)
        framed = windows.frame_array(wide(data), 0)
        framed = framed.reshape(data.shape[0], self.groups, weight.shape[1], *framed.shape[2:])
        kernel = wide(weight).reshape(self.groups, -1, *weight.shape[1:])
        sums = np.zeros((data.shape[0], self.groups, kernel.shape[1], prod(windows.outputs)), framed.dtype)
        for place, seen in windows.positions(framed):
            sums += kernel[trailing(place)] @ seen.reshape(*seen.shape[:3], sums.shape[-1])
        return _with_bias(sums.reshape(data.shape[0], weight.shape[0], *windows.outputs), arrays)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, weight = tensors[:2]
        shape, kernel = extents(data), extents(weight)
        windows = self.windows(shape, kernel)
        framed = windows.frame(data, 0)
        depth, channels = kernel[1], kernel[0] // self.groups
        k, offsets = te.reduce_axis((0, depth), "k"), windows.axes()

        def product(n: Expr, o: Expr, *at: Expr) -> Expr:
            channel = k if self.groups == 1 else (o if channels == 1 else o // channels) * depth + k
            return te.sum(
                framed[(n, channel, *windows.seen(at, offsets))] * weight[(o, k, *offsets)], axis=[k, *offsets]
            )

        sums = te.compute((shape[0], kernel[0], *windows.outputs), product, name="sums")
        return _biased(sums, tensors)

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return output.size * prod(types[1].shape[1:])


@dataclass(frozen=True, kw_only=True)
class ConvTranspose(Op):
    """The transpose of a convolution: data [n, ic, *spatial], weight [ic, oc / groups, *kernel], bias [oc] if given.

    Each element of the data adds the kernel times itself at `strides` times its place. All of one type: float32,
    float64, int32 or int64. ONNX operator ConvTranspose.

    Attributes
    ----------
    strides, dilations:
        An entry a spatial axis, of which there are 1 to 3.
    pads_begin:
        Places cut off at the beginning; below 0, places of 0 added there.
    output_shape_spatial:
        Sizes of the result, whatever is cut off or added at the end for it.
    groups:
        As of `Conv`.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 3)

    strides: tuple[int, ...]
    pads_begin: tuple[int, ...]
    output_shape_spatial: tuple[int, ...]
    dilations: tuple[int, ...]
    groups: int = 1

    def infer(self, *types: TensorType) -> TensorType:
        data, weight = types[:2]
        channels = weight.shape[1] * self.groups if weight.rank > 1 else 0
        _check_types(self, types, channels)
        check_window(self.name, data.rank - 2, strides=self.strides, dilations=self.dilations, kernel=weight.shape[2:])
        check_window(self.name, data.rank - 2, 0, output_shape_spatial=self.output_shape_spatial)
        if len(self.pads_begin) != data.rank - 2:
            raise GraphError(f"{self.name}: pads_begin must be {data.rank - 2} numbers, not {list(self.pads_begin)}")
        if self.groups < 1 or data.shape[1] != weight.shape[0] or data.shape[1] % self.groups:
            raise GraphError(
                f"{self.name}: {data.shape[1]} channels in {self.groups} groups do not fit the weight {weight}"
            )
        return TensorType((data.shape[0], channels, *self.output_shape_spatial), data.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data, weight = arrays[:2]
        batch, spatial, kernel = data.shape[0], data.shape[2:], weight.shape[2:]
        channels = weight.shape[1] * self.groups
        pixels = wide(data).reshape(batch, self.groups, -1, prod(spatial))
        factors = wide(weight).reshape(self.groups, -1, *weight.shape[1:])
        front = [max(0, -begin) for begin in self.pads_begin]
        whole = [
            max(before + (size - 1) * stride + span(taps, dilation), before + begin + result)
            for before, begin, size, stride, taps, dilation, result in zip(
                front,
                self.pads_begin,
                spatial,
                self.strides,
                kernel,
                self.dilations,
                self.output_shape_spatial,
                strict=True,
            )
        ]
        sums = np.zeros((batch, channels, *whole), pixels.dtype)
        for place in np.ndindex(*kernel):
            part = np.swapaxes(factors[trailing(place)], -1, -2) @ pixels
            at = [
                slice(before + tap * dilation, before + tap * dilation + size * stride, stride)
                for before, tap, dilation, size, stride in zip(
                    front, place, self.dilations, spatial, self.strides, strict=True
                )
            ]
            sums[trailing(at)] += part.reshape(batch, channels, *spatial)
        kept = [
            slice(before + begin, before + begin + result)
            for before, begin, result in zip(front, self.pads_begin, self.output_shape_spatial, strict=True)
        ]
        return _with_bias(sums[trailing(kept)], arrays)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, weight = tensors[:2]
        shape, kernel = extents(data), extents(weight)
        depth, channels = shape[1] // self.groups, kernel[1]
        k = te.reduce_axis((0, depth), "k")
        offsets = [te.reduce_axis((0, size), f"d{place}") for place, size in enumerate(kernel[2:])]

        def product(n: Expr, o: Expr, *at: Expr) -> Expr:
            inside, source = [], []
            for index, begin, offset, dilation, stride, size in zip(
                at, self.pads_begin, offsets, self.dilations, self.strides, shape[2:], strict=True
            ):
                place = index + begin - offset * dilation
                inside += [place >= 0, place < size * stride]
                if stride > 1:
                    inside.append(te.equal(place % stride, 0))
                source.append(place // stride if stride > 1 else place)
            channel = k if self.groups == 1 else o // channels * depth + k
            within = o if self.groups == 1 else o % channels
            value = te.if_then_else(te.all(*inside), data[(n, channel, *source)], te.cast(data.dtype, 0))
            return te.sum(value * weight[(channel, within, *offsets)], axis=[k, *offsets])

        sums = te.compute((shape[0], channels * self.groups, *self.output_shape_spatial), product, name="sums")
        return _biased(sums, tensors)

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return types[0].size * prod(types[1].shape[1:])


@dataclass(frozen=True, kw_only=True)
class MatMul(Op):
    """The matrix product by NumPy's rules: operands of one axis are vectors, leading axes are broadcast.

    Both of one type: float32, float64, int32 or int64. ONNX operator MatMul.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 2)

    def infer(self, *types: TensorType) -> TensorType:
        one, other = types
        _check_types(self, types, 0)
        if not one.rank or not other.rank or one.shape[-1] != other.shape[-2 if other.rank > 1 else 0]:
            raise GraphError(f"{self.name} cannot multiply {one} by {other}: the inner extents must be equal")
        try:
            lead = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
        except ValueError:
            raise GraphError(f"{self.name}: the leading axes of {one} and {other} cannot be broadcast") from None
        rows = one.shape[-2:-1]
        cols = other.shape[-1:] if other.rank > 1 else ()
        return TensorType((*lead, *rows, *cols), one.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        return np.asarray(np.matmul(wide(arrays[0]), wide(arrays[1]))).astype(arrays[0].dtype)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        one, other = (TensorType(extents(tensor), tensor.dtype) for tensor in tensors)
        k = te.reduce_axis((0, one.shape[-1]), "k")
        result = self.infer(one, other).shape
        lead = len(result) - (one.rank > 1) - (other.rank > 1)

        def product(*at: Expr) -> Expr:
            row, col = at[lead : lead + (one.rank > 1)], at[len(at) - (other.rank > 1) :]
            left = (*_broadcast(at[:lead], one.shape[:-2]), *row, k)
            right = (*_broadcast(at[:lead], other.shape[:-2]), k, *col)
            return te.sum(tensors[0][left] * tensors[1][right], axis=k)

        return te.compute(result, product, name="product")

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return output.size * types[0].shape[-1]


def wide(array: Array) -> Array:
    """`array` in the type in which its products are summed up: float64 for floats."""
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array


def _broadcast(at: tuple[Expr, ...], shape: tuple[int, ...]) -> tuple[Expr | int, ...]:
    """Indices of an operand with these leading axes."""
    return tuple(0 if extent == 1 else index for index, extent in zip(at[len(at) - len(shape) :], shape, strict=True))


def _check_types(op: Op, types: tuple[TensorType, ...], channels: int) -> None:
    data, weight = types[:2]
    if data.dtype not in NUMBERS or weight.dtype != data.dtype:
        raise GraphError(f"{op.name} takes operands of one type of {', '.join(NUMBERS)}, not {data} and {weight}")
    if isinstance(op, MatMul):
        return
    if data.rank < 3 or weight.rank != data.rank:
        raise GraphError(f"{op.name} takes data and weight of as many axes, 3 or more, not {data} and {weight}")
    if len(types) == 3 and types[2] != TensorType((channels,), data.dtype):
        raise GraphError(f"{op.name}: the bias must be {TensorType((channels,), data.dtype)}, not {types[2]}")


def _with_bias(sums: Array, arrays: tuple[Array, ...]) -> Array:
    if len(arrays) == 3:
        sums = sums + arrays[2].reshape(-1, *[1] * (sums.ndim - 2))
    return sums.astype(arrays[0].dtype)


def _biased(sums: te.Tensor, tensors: tuple[te.Tensor, ...]) -> te.Tensor:
    if len(tensors) == 2:
        return sums
    return te.compute(extents(sums), lambda *at: sums[at] + tensors[2][at[1]], name="out")
