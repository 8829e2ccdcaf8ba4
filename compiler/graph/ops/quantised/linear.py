"""Convolution and matrix multiplication of int8, with their requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.arithmetic import requantised
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.ops.quantise import Residual, requantise
from dovetail.compiler.ops.scales import Output, Scale
from dovetail.compiler.ops.shapes import Conv2dShape, Pads
from dovetail.compiler.tir.expr import Expr

SCALES = ("bias", "multiplier", "shift")


def expect(op: str, what: str, given: TensorType, shape: tuple[int, ...], dtype: str) -> None:
    """Raises `GraphError` unless `given` is of that shape and type."""
    if given != TensorType(shape, dtype):
        raise GraphError(f"{op}: {what} must be {TensorType(shape, dtype)}, not {given}")


def _check_scales(op: str, given: tuple[TensorType, ...], channels: int) -> None:
    for what, kind in zip(SCALES, given, strict=False):
        expect(op, what, kind, (channels,), "int32")


def _check_finish(op: QConv2d | QMatmul, types: tuple[TensorType, ...], result: tuple[int, ...], channels: int) -> str:
    """The type of the output's elements, if the operands behind data and weight are those that the attributes need."""
    wanted = 2 if op.output is None else 5 if op.residual is None else 6
    if len(types) != wanted:
        raise GraphError(f"{op.name} with these attributes takes {wanted} operands, not {len(types)}")
    _check_scales(op.name, types[2:5], channels)
    if op.residual is not None:
        expect(op.name, "the residual", types[5], result, "int8")
    return "int32" if op.output is None else "int8"


@dataclass(frozen=True, kw_only=True)
class QConv2d(Op):
    """A convolution of int8 data [n, ic, h, w] with int8 weight [oc, ic / groups, kh, kw].

    Sums are of the data as it is: what its zero point adds is in the bias. The further operands are bias, multiplier
    and shift, int32 [oc], and with `residual` an int8 tensor of the output's shape.

    Attributes
    ----------
    pads:
        Top, left, bottom, right.
    zero_point:
        Of the data: what padding holds.
    output:
        How sums become int8; None gives the int32 sums, from data and weight alone.
    residual:
        How the last operand counts.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 6)

    strides: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    zero_point: int = 0
    output: Output | None = None
    residual: Scale | None = None

    def shape(self, data: TensorType, weight: TensorType) -> Conv2dShape:
        """The sizes of the convolution.

        Raises
        ------
        GraphError:
            They do not fit one another.
        """
        if data.rank != 4 or weight.rank != 4 or (data.dtype, weight.dtype) != ("int8", "int8"):
            raise GraphError(f"{self.name} takes int8 of four axes, not {data} and {weight}")
        n, ic, h, w = data.shape
        oc, depth, kh, kw = weight.shape
        if depth * self.groups != ic:
            raise GraphError(f"{self.name}: {ic} channels in {self.groups} groups need weights for them, not {weight}")
        try:
            return Conv2dShape(
                n=n,
                h=h,
                w=w,
                ic=ic,
                oc=oc,
                kh=kh,
                kw=kw,
                strides=self.strides,
                pads=self.pads,
                dilation=self.dilation,
                groups=self.groups,
            )
        except OperatorError as error:
            raise GraphError(str(error)) from None

    def infer(self, *types: TensorType) -> TensorType:
        shape = self.shape(types[0], types[1])
        result = (shape.n, shape.oc, shape.out_h, shape.out_w)
        return TensorType(result, _check_finish(self, types, result, shape.oc))

    def sums(self, data: Array, weight: Array) -> Array:
        """The int32 sums. float64 holds them exactly, so that products may go through BLAS."""
        shape = self.shape(TensorType.of(data), TensorType.of(weight))
        top, left, bottom, right = self.pads
        ends = ((0, 0), (0, 0), (top, bottom), (left, right))
        padded = np.pad(data, ends, constant_values=self.zero_point).astype(np.float64)
        padded = padded.reshape(shape.n, self.groups, -1, *padded.shape[2:])
        kernel = weight.astype(np.float64).reshape(self.groups, shape.oc // self.groups, -1, shape.kh, shape.kw)
        sums = np.zeros((shape.n, self.groups, shape.oc // self.groups, shape.out_h * shape.out_w))
        for y in range(shape.kh):
            for x in range(shape.kw):
                rows = slice(y * self.dilation[0], None, self.strides[0])
                cols = slice(x * self.dilation[1], None, self.strides[1])
                seen = padded[..., rows, cols][..., : shape.out_h, : shape.out_w]
                sums += kernel[..., y, x] @ seen.reshape(*seen.shape[:3], -1)
        return sums.reshape(shape.n, shape.oc, shape.out_h, shape.out_w).astype(np.int32)

    def evaluate(self, *arrays: Array) -> Array:
        sums = self.sums(arrays[0], arrays[1])
        if self.output is None:
            return sums
        residual = arrays[5] if self.residual is not None else None
        bias, multiplier, shift = arrays[2:5]
        return requantised(sums, bias, multiplier, shift, self.output, residual, self.residual, axis=1)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, weight = tensors[:2]
        shape = self.shape(_type(data), _type(weight))
        depth, channels = shape.ic // shape.groups, shape.oc // shape.groups
        k, dy, dx = (
            te.reduce_axis((0, size), name) for size, name in ((depth, "k"), (shape.kh, "dy"), (shape.kw, "dx"))
        )
        top, left, bottom, right = self.pads

        def padded(n: Expr, c: Expr, y: Expr, x: Expr) -> Expr:
            row, col = y - top, x - left
            inside = te.all(row >= 0, row < shape.h, col >= 0, col < shape.w)
            return te.if_then_else(inside, data[n, c, row, col], te.cast("int8", self.zero_point))

        if any(self.pads):
            whole = (shape.n, shape.ic, shape.h + top + bottom, shape.w + left + right)
            seen = te.compute(whole, padded, name="padded")
        else:
            seen = data

        def product(n: Expr, o: Expr, y: Expr, x: Expr) -> Expr:
            row = y * self.strides[0] + dy * self.dilation[0]
            col = x * self.strides[1] + dx * self.dilation[1]
            channel = k if shape.groups == 1 else o // channels * depth + k
            return te.sum(
                seen[n, channel, row, col].astype("int32") * weight[o, k, dy, dx].astype("int32"), axis=[k, dy, dx]
            )

        sums = te.compute((shape.n, shape.oc, shape.out_h, shape.out_w), product, name="sums")
        if self.output is None:
            return sums
        return _finished(sums, tensors[2:], self.output, self.residual, axis=1)

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return output.size * types[1].size // types[1].shape[0]


@dataclass(frozen=True, kw_only=True)
class QMatmul(Op):
    """A product of int8 data [..., m, k] with int8 weight [n, k], or with one of its own for each leading index.

    Sums are of the data as it is: what its zero point adds is in the bias. The further operands are bias, multiplier
    and shift, int32 [n], and with `residual` an int8 tensor of the output's shape [..., m, n].

    Attributes
    ----------
    output, residual:
        As of `QConv2d`.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 6)

    output: Output | None = None
    residual: Scale | None = None

    def infer(self, *types: TensorType) -> TensorType:
        data, weight = types[:2]
        if data.rank < 2 or (data.dtype, weight.dtype) != ("int8", "int8"):
            raise GraphError(f"{self.name} takes int8 of two axes or more, not {data} and {weight}")
        *lead, m, k = data.shape
        if weight.rank < 2 or weight.shape[-1] != k or weight.shape[:-2] not in ((), tuple(lead)):
            raise GraphError(
                f"{self.name}: weight for {data} must be int8 [n, {k}], alone or for each of {lead}, not {weight}"
            )
        result = (*lead, m, weight.shape[-2])
        return TensorType(result, _check_finish(self, types, result, result[-1]))

    def evaluate(self, *arrays: Array) -> Array:
        sums = (arrays[0].astype(np.float64) @ np.swapaxes(arrays[1], -1, -2).astype(np.float64)).astype(np.int32)
        if self.output is None:
            return sums
        residual = arrays[5] if self.residual is not None else None
        bias, multiplier, shift = arrays[2:5]
        return requantised(sums, bias, multiplier, shift, self.output, residual, self.residual, axis=sums.ndim - 1)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data, weight = _type(tensors[0]), _type(tensors[1])
        k = te.reduce_axis((0, data.shape[-1]), "k")
        shared = weight.rank == 2 and data.rank > 2

        def product(*at: Expr) -> Expr:
            *lead, row, col = at
            own = () if shared else tuple(lead)
            left, right = tensors[0][(*lead, row, k)], tensors[1][(*own, col, k)]
            return te.sum(left.astype("int32") * right.astype("int32"), axis=k)

        sums = te.compute((*data.shape[:-1], weight.shape[-2]), product, name="sums")
        if self.output is None:
            return sums
        return _finished(sums, tensors[2:], self.output, self.residual, axis=data.rank - 1)

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return output.size * types[0].shape[-1]


@dataclass(frozen=True, kw_only=True)
class Requantise(Op):
    """int8 of int32 sums, with bias, multiplier and shift, int32 [channels].

    Attributes
    ----------
    axis:
        Of the channels.
    """

    operands: ClassVar[tuple[int, int | None]] = (4, 4)

    axis: int
    output: Output

    def infer(self, *types: TensorType) -> TensorType:
        sums = types[0]
        if sums.dtype != "int32" or not 0 <= self.axis < sums.rank:
            raise GraphError(f"{self.name} takes int32 with channels on axis {self.axis}, not {sums}")
        _check_scales(self.name, types[1:], sums.shape[self.axis])
        return TensorType(sums.shape, "int8")

    def evaluate(self, *arrays: Array) -> Array:
        return requantised(arrays[0], arrays[1], arrays[2], arrays[3], self.output, axis=self.axis)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return _finished(tensors[0], tensors[1:], self.output, None, axis=self.axis)


def _finished(
    sums: te.Tensor, others: tuple[te.Tensor, ...], output: Output, scale: Scale | None, *, axis: int
) -> te.Tensor:
    def element(*at: Expr) -> Expr:
        added = None
        if scale is not None:
            added = Residual(others[3][at], scale.zero_point, scale.multiplier, scale.shift)
        return requantise(
            sums[at],
            *(part[at[axis]] for part in others[:3]),
            zero_point=output.zero_point,
            bounds=output.bounds,
            residual=added,
            fraction=output.fraction,
        )

    return te.compute(_type(sums).shape, element, name="out")


def _type(tensor: te.Tensor) -> TensorType:
    return TensorType(extents(tensor), tensor.dtype)
