"""Interpolation along one axis as a matrix: of kinds that the graph's operator does not have."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import FOLDED_BYTES, Unsupported
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import MatMul

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Interpolation:
    """Attributes of ONNX's Resize.

    Attributes
    ----------
    nearest:
        How places are rounded in mode ``nearest``.
    cubic:
        The coefficient of mode ``cubic``.
    exclude_outside:
        What is beyond the edges has no weight.
    antialias:
        Where the result is smaller, the filter is as wide as its steps.
    """

    mode: str
    coordinates: str
    nearest: str
    cubic: float
    exclude_outside: bool
    antialias: bool


def weigh(
    how: Interpolation, size: int, outputs: int, scale: float, region: tuple[float, float]
) -> tuple[Matrix, NDArray[np.bool_]]:
    """The weight of each element for each output, and which outputs are beyond the data."""
    if outputs * size * 8 > FOLDED_BYTES:
        raise Unsupported(f"interpolation from {size} to {outputs} elements is too large in this mode")
    matrix = np.zeros((outputs, size))
    beyond = np.zeros(outputs, bool)
    for output in range(outputs):
        place = _place(how.coordinates, output, size, outputs, scale, region)
        beyond[output] = not 0 <= place <= size - 1
        taps = _taps(how, place, min(scale, 1.0) if how.antialias else 1.0)
        inside = [(index, weight) for index, weight in taps if 0 <= index < size]
        chosen = inside if how.exclude_outside else taps
        total = sum(weight for _, weight in chosen) or 1.0
        for index, weight in chosen:
            matrix[output, min(max(index, 0), size - 1)] += weight / total
    return matrix, beyond


def _place(coordinates: str, output: int, size: int, outputs: int, scale: float, region: tuple[float, float]) -> float:
    match coordinates:
        case "asymmetric":
            return output / scale
        case "align_corners":
            return output * (size - 1) / (size * scale - 1) if outputs > 1 else 0.0
        case "pytorch_half_pixel" if outputs == 1:
            return 0.0
        case "half_pixel" | "pytorch_half_pixel":
            return (output + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            return (output + 0.5) / scale - 0.5 + size / 2 * (1 - outputs / (scale * size))
        case "tf_crop_and_resize":
            begin, end = region
            if outputs == 1:
                return (begin + end) * (size - 1) / 2
            return begin * (size - 1) + output * (end - begin) * (size - 1) / (size * scale - 1)
    raise Unsupported(f"coordinate_transformation_mode={coordinates!r} is unsupported")


def _taps(how: Interpolation, place: float, scale: float) -> list[tuple[int, float]]:
    """Elements with their weights."""
    if how.mode == "nearest":
        return [(_rounded(how.nearest, place), 1.0)]
    reach = (1.0 if how.mode == "linear" else 2.0) / scale
    weights = []
    for index in range(floor(place - reach), ceil(place + reach) + 1):
        distance = abs(index - place) * scale
        weight = max(0.0, 1.0 - distance) if how.mode == "linear" else _cubic(how.cubic, distance)
        if weight:
            weights.append((index, weight))
    return weights


def _rounded(mode: str, place: float) -> int:
    match mode:
        case "floor":
            return floor(place)
        case "ceil":
            return ceil(place)
        case "round_prefer_floor":
            return ceil(place - 0.5)
        case "round_prefer_ceil":
            return floor(place + 0.5)
    raise Unsupported(f"nearest_mode={mode!r} is unsupported")


def _cubic(a: float, x: float) -> float:
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def applied(ctx: NodeContext, data: Value, axis: int, matrix: Matrix) -> Value:
    """The data with the matrix applied along an axis."""
    if matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix))):
        return data
    dtype = data.type.dtype if data.type.dtype in ("float32", "float64") else "float32"
    last = [at for at in range(data.type.rank) if at != axis] + [axis]
    moved = ctx.transpose(ctx.cast(data, dtype), last)
    product = ctx.emit(MatMul(), moved, ctx.constant(matrix.T, dtype))
    back = [last.index(at) for at in range(data.type.rank)]
    return ctx.cast(ctx.transpose(product, back), data.type.dtype)
