"""Numbers that int8 stands for: the parameters of Quantize and Dequantize as passes read them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.compiler.graph.types import Array
from dovetail.compiler.ops.quantise import INT8
from dovetail.compiler.ops.scales import Output, Scale

from .rewriting import Rewriter


@dataclass(frozen=True)
class Affine:
    """int8 q stands for ``(q - zero_point) * scale``."""

    scale: Fraction
    zero_point: int

    def quantised(self, number: float) -> int:
        """The int8 of a number, in float32 as ONNX divides."""
        with np.errstate(all="ignore"):
            steps = np.rint(np.float32(number) / np.float32(float(self.scale)))
        return int(np.clip(np.nan_to_num(steps) + self.zero_point, *INT8))


@dataclass(frozen=True)
class Quantised:
    """An int8 value of the graph and what it stands for."""

    value: Value
    affine: Affine


def scaling(zero_point: int, point: tuple[int, int]) -> Scale:
    """The part of an operand in a sum, for multiplier and shift."""
    return Scale(zero_point=zero_point, multiplier=point[0], shift=point[1])


@dataclass(frozen=True)
class Weights:
    """A constant in integers, with zero point 0 and one scale for each index on an axis."""

    value: Value
    array: Array
    scales: tuple[Fraction, ...]


def affine(rewriter: Rewriter, op: Dequantize | Quantize, inputs: tuple[Value, ...]) -> Affine | None:
    """The parameters of an operator that has constant ones for the whole tensor, to or from int8."""
    scale, zero_point = rewriter.contents(inputs[1]), rewriter.contents(inputs[2])
    if scale is None or zero_point is None or op.axis is not None or zero_point.dtype != np.int8:
        return None
    return Affine(Fraction(float(scale)), int(zero_point)) if 0 < float(scale) < np.inf else None


def dequantised(rewriter: Rewriter, value: Value) -> Quantised | None:
    """Where `value` is the Dequantize of int8 with constant parameters for the whole tensor: what it is of."""
    found = rewriter.producer(value, Dequantize)
    if found is None:
        return None
    node, op = found
    parameters = affine(rewriter, op, node.inputs)
    return None if parameters is None else Quantised(rewriter.current(node.inputs[0]), parameters)


def weights(rewriter: Rewriter, value: Value, axis: int, dtype: str) -> Weights | None:
    """Where `value` is the Dequantize of constants with zero point 0: these, with their scales along `axis`."""
    found = rewriter.producer(value, Dequantize)
    if found is None:
        return None
    node, op = found
    array, scale, zero_point = (rewriter.contents(part) for part in node.inputs)
    if array is None or scale is None or zero_point is None or array.dtype.name != dtype or np.any(zero_point):
        return None
    if op.axis not in (None, axis) or not np.all((scale > 0) & np.isfinite(scale)):
        return None
    scales = np.broadcast_to(scale.reshape(-1), array.shape[axis])
    return Weights(rewriter.current(node.inputs[0]), array, tuple(Fraction(float(scale)) for scale in scales))


def numbers(rewriter: Rewriter, value: Value) -> tuple[Fraction, ...] | None:
    """The elements of a float constant, or of integers that a Dequantize makes numbers of, in row-major order."""
    array = rewriter.contents(value)
    if array is not None:
        return tuple(Fraction(float(x)) for x in array.reshape(-1)) if np.all(np.isfinite(array)) else None
    found = rewriter.producer(value, Dequantize)
    if found is None:
        return None
    node, op = found
    data, scale, zero_point = (rewriter.contents(part) for part in node.inputs)
    if data is None or scale is None or zero_point is None or not np.all(np.isfinite(scale)):
        return None
    distance = data.astype(np.int64) - op.along(zero_point, data.ndim).astype(np.int64)
    scales = np.broadcast_to(op.along(scale, data.ndim), data.shape)
    return tuple(Fraction(int(d)) * Fraction(float(s)) for d, s in zip(distance.flat, scales.flat, strict=True))


@dataclass(frozen=True)
class Goal:
    """The int8 value that a pattern ends in.

    Attributes
    ----------
    bounds:
        Of its int8.
    private:
        Whether only the pattern reads the floats that it goes through.
    origin:
        The model's nodes in it.
    """

    output: Value
    affine: Affine
    bounds: tuple[int, int] = INT8
    private: bool = True
    origin: tuple[str, ...] = ()

    def result(self, fraction: int = 0) -> Output:
        """How a sum in units of ``2**-fraction`` steps becomes it."""
        return Output(fraction=fraction, zero_point=self.affine.zero_point, bounds=self.bounds)
