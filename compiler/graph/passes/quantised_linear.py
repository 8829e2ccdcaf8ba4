"""Convolutions and matrix products of int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dovetail.compiler.graph.arithmetic import INT32
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.elementwise import Binary
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.movement import Reshape, Transpose
from dovetail.compiler.graph.ops.quantised import QConv2d, QMatmul
from dovetail.compiler.graph.types import Array

from .affine import Goal, Quantised, Weights, dequantised, numbers, scaling, weights
from .fixed_point import fixed_point, residual_point
from .rewriting import Rewriter, infers, is_per_channel


@dataclass(frozen=True)
class Linear:
    """A convolution or a matrix product of int8, before it is requantised.

    Attributes
    ----------
    op:
        Without output.
    data, weight:
        Operands; `weight` may be a new constant.
    scales:
        Of a unit of the sum, by output channel.
    offsets:
        What the data's zero point adds to the sum, by output channel.
    bias:
        In numbers, by output channel.
    silent:
        By output channel, whether all weights are 0.
    """

    op: QConv2d | QMatmul
    data: Quantised
    weight: Value
    scales: tuple[Fraction, ...]
    offsets: tuple[int, ...]
    bias: tuple[Fraction, ...]
    silent: tuple[bool, ...]
    origin: tuple[str, ...]


def linear(rewriter: Rewriter, value: Value, goal: Goal) -> bool:
    """Whether `value` is a convolution or a matrix product of int8, perhaps plus int8; if so it is emitted."""
    if not goal.private:
        return False
    found = _linear(rewriter, value)
    if found is not None:
        return _emit(rewriter, found, None, goal)
    total = rewriter.producer(value, Binary)
    if total is None or total[1].function != "add":
        return False
    node = total[0]
    for sums, other in (node.inputs, node.inputs[::-1]):
        residual = dequantised(rewriter, other)
        if residual is None or residual.value.type.shape != value.type.shape or not rewriter.private(sums):
            continue
        found = _linear(rewriter, sums)
        if found is not None:
            goal = replace(goal, origin=node.origin + goal.origin)
            return _emit(rewriter, found, residual, goal)
    return False


def _linear(rewriter: Rewriter, value: Value) -> Linear | None:
    node = rewriter.producers.get(rewriter.current(value))
    if node is None:
        return None
    match node.op:
        case Conv() as op:
            return _conv(rewriter, op, node.inputs, node.origin)
        case MatMul():
            return _matmul(rewriter, node.inputs, node.origin)
        case Binary(function="add"):
            return _biased(rewriter, node.inputs, node.origin)
        case _:
            return None


def _biased(rewriter: Rewriter, inputs: tuple[Value, ...], origin: tuple[str, ...]) -> Linear | None:
    for sums, other in (inputs, inputs[::-1]):
        axis = 1 if rewriter.producer(sums, Conv) else sums.type.rank - 1
        if not rewriter.private(sums) or not is_per_channel(other.type.shape, sums.type.shape, axis):
            continue
        added = numbers(rewriter, other)
        found = None if added is None else _linear(rewriter, sums)
        if added is not None and found is not None:
            bias = tuple(one + added[at % len(added)] for at, one in enumerate(found.bias))
            return replace(found, bias=bias, origin=found.origin + origin)
    return None


def _conv(rewriter: Rewriter, op: Conv, inputs: tuple[Value, ...], origin: tuple[str, ...]) -> Linear | None:
    data, weight = dequantised(rewriter, inputs[0]), weights(rewriter, inputs[1], 0, "int8")
    bias = numbers(rewriter, inputs[2]) if len(inputs) > 2 else (Fraction(0),) * inputs[1].type.shape[0]
    if data is None or weight is None or bias is None or len(op.strides) > 2:
        return None
    # One spatial axis is two, the first of extent 1.
    rows = (1,) * (2 - len(op.strides))
    none = (0,) * len(rows)
    begin, end = none + op.pads_begin, none + op.pads_end
    strides, dilations = rows + op.strides, rows + op.dilations
    conv = QConv2d(
        strides=(strides[0], strides[1]),
        pads=(begin[0], begin[1], end[0], end[1]),
        dilation=(dilations[0], dilations[1]),
        groups=op.groups,
        zero_point=data.affine.zero_point,
    )
    kernel = weight.array.reshape(*weight.array.shape[:2], *rows, *weight.array.shape[2:])
    used = rewriter.constant(kernel, f"{weight.value.name}_2d") if rows else weight.value
    return Linear(conv, data, used, *_channels(data, weight, kernel), bias, _silent(kernel), origin)


def _matmul(rewriter: Rewriter, inputs: tuple[Value, ...], origin: tuple[str, ...]) -> Linear | None:
    data, rank = dequantised(rewriter, inputs[0]), inputs[1].type.rank
    if data is None or data.value.type.rank < 2 or rank < 2:
        return None
    weight = weights(rewriter, inputs[1], 1, "int8") if rank == 2 else None
    if weight is not None:
        turned = np.ascontiguousarray(weight.array.T)
        used = rewriter.constant(turned, f"{weight.value.name}_transposed")
        bias = (Fraction(0),) * turned.shape[0]
        return Linear(QMatmul(), data, used, *_channels(data, weight, turned), bias, _silent(turned), origin)
    other = dequantised(rewriter, inputs[1])
    if other is None or data.affine.zero_point or other.affine.zero_point:
        return None
    if rank > 2 and other.value.type.shape[:-2] != data.value.type.shape[:-2]:
        return None
    order = (*range(rank - 2), rank - 1, rank - 2)
    turned_value = rewriter.emit(Transpose(order=order), [other.value], f"{other.value.name}_transposed", origin)
    channels = inputs[1].type.shape[-1]
    scales = (data.affine.scale * other.affine.scale,) * channels
    nothing = (0,) * channels
    return Linear(
        QMatmul(), data, turned_value, scales, nothing, (Fraction(0),) * channels, (False,) * channels, origin
    )


def _channels(data: Quantised, weight: Weights, kernel: Array) -> tuple[tuple[Fraction, ...], tuple[int, ...]]:
    """Scales and offsets of a `Linear` whose kernel has output channels first."""
    sums = kernel.reshape(kernel.shape[0], -1).sum(axis=1, dtype=np.int64)
    scales = tuple(data.affine.scale * scale for scale in weight.scales)
    return scales, tuple(-data.affine.zero_point * int(total) for total in sums)


def _silent(kernel: Array) -> tuple[bool, ...]:
    return tuple(not row.any() for row in kernel.reshape(kernel.shape[0], -1))


def _emit(rewriter: Rewriter, found: Linear, residual: Quantised | None, goal: Goal) -> bool:
    """The operator with bias, multipliers and shifts, unless a number is beyond what these hold."""
    fraction, added = 0, None
    if residual is not None:
        point = residual_point(residual.affine.scale / goal.affine.scale)
        if point is None:
            return False
        fraction, added = point[0], scaling(residual.affine.zero_point, point[1:])
    records = [
        _record(bias, offset, scale, goal.affine.scale, fraction, silent)
        for bias, offset, scale, silent in zip(found.bias, found.offsets, found.scales, found.silent, strict=True)
    ]
    columns = list(zip(*(record for record in records if record is not None), strict=True))
    if any(record is None for record in records) or not columns:
        return False
    op = replace(found.op, output=goal.result(fraction), residual=added)
    name, origin = goal.output.name, found.origin + goal.origin
    data, others = found.data.value, [] if residual is None else [residual.value]
    flat = isinstance(op, QConv2d) and data.type.rank == 3
    if flat:
        rows = {value: _with_row(rewriter, value, origin) for value in dict.fromkeys((data, *others))}
        data, others = rows[data], [rows[value] for value in others]
    scales = [
        rewriter.constant(np.array(column, np.int32), f"{name}_{what}")
        for what, column in zip(("bias", "multiplier", "shift"), columns, strict=True)
    ]
    operands = [data, found.weight, *scales, *others]
    result = infers(op, *operands)
    if result is None or result.size != goal.output.type.size:
        return False
    if flat:
        rows_of_one = rewriter.emit(op, operands, f"{name}_2d", origin)
        rewriter.emit(Reshape(shape=goal.output.type.shape), [rows_of_one], goal.output, origin)
    else:
        rewriter.emit(op, operands, goal.output, origin)
    return True


def _with_row(rewriter: Rewriter, value: Value, origin: Sequence[str]) -> Value:
    n, c, w = value.type.shape
    return rewriter.emit(Reshape(shape=(n, c, 1, w)), [value], f"{value.name}_2d", origin)


def _record(
    bias: Fraction, offset: int, scale: Fraction, step: Fraction, fraction: int, silent: bool
) -> tuple[int, int, int] | None:
    """Bias, multiplier and shift of a channel whose sums are in units of `scale`, for outputs in steps of `step`.

    None where the registers do not hold them, or where the bias in units of the sums is half a step or more away from
    what it should be.
    """
    if silent and abs(bias) > scale * 2**30:
        # Nothing is summed up, so that the unit is free: one that the bias fits in.
        scale = abs(bias) / 2**30
    units = round(bias / scale)
    point = fixed_point(scale / step * 2**fraction)
    if point is None or not INT32[0] <= units + offset <= INT32[1] or 2 * abs(bias - units * scale) >= step:
        return None
    return units + offset, *point
