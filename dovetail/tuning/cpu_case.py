"""Convolutions on the CPU with data and what is to come out, however they are scheduled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler import te
from dovetail.compiler.ops.cpu import CpuOperator, Requantised, build, conv2d_float32, conv2d_int8
from dovetail.compiler.ops.cpu.frame import frame, framed
from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs
from dovetail.compiler.ops.cpu.packing import check_constant
from dovetail.compiler.ops.cpu.requantise import form_of
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.tir.expr import Expr
from dovetail.reference import conv2d
from dovetail.workload import expected_output, random_data

Array = NDArray[np.generic]
Call = Callable[[], None]

CLOSE = 1e-5
"""What float32 may differ from float64, as a part of the largest output."""


@dataclass(frozen=True, eq=False)
class CpuCase:
    """A convolution of known data.

    Attributes
    ----------
    operator:
        For a setting of the knobs.
    tolerance:
        What outputs may differ from `expected`.
    """

    operator: Callable[[Conv2dKnobs], CpuOperator]
    data: Array
    constants: tuple[Array, ...]
    expected: Array
    tolerance: float

    def bind(self, operator: CpuOperator) -> tuple[Call, float]:
        """A call of the compiled operator, in one thread, and by how much its output differs at most."""
        out = np.full(self.expected.shape, -1, self.data.dtype)
        call = build(operator).bind(self.data, *operator.pack(*self.constants), out)
        call()
        error = float(np.abs(out.astype(np.float64) - self.expected.astype(np.float64)).max())
        return call, error if np.isfinite(error) else float("inf")


def float32_case(shape: Conv2dShape, seed: int = 0) -> CpuCase:
    """Normally distributed data and weights."""
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((shape.n, shape.ic, shape.h, shape.w), np.float32)
    weights = rng.standard_normal((shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.float32)
    expected = conv2d(data, weights, shape.strides, shape.pads, shape.dilation, shape.groups)
    tolerance = CLOSE * float(np.abs(expected).max())
    return CpuCase(lambda knobs: conv2d_float32(shape, knobs=knobs), data, (weights,), expected, tolerance)


def int8_case(shape: Conv2dShape, seed: int = 0) -> CpuCase:
    """Data of a layer; outputs are exact."""
    data = random_data(shape, seed)
    constants = data.wgt, data.bias, data.multiplier, data.shift
    result = Requantised(form=form_of(*constants))
    expected = expected_output(shape, data)
    return CpuCase(lambda knobs: conv2d_int8(shape, result, knobs=knobs), data.inp, constants, expected, 0)


CASES = {"float32": float32_case, "int8": int8_case}


def naive(shape: Conv2dShape) -> CpuOperator:
    """The float32 convolution as one writes it, without a step of scheduling: padding, then a loop for every axis, in
    the order in which they are named. Nothing is packed."""
    channels, per_group = shape.ic // shape.groups, shape.oc // shape.groups
    data = te.placeholder((shape.n, shape.groups, channels, shape.h, shape.w), "float32", name="data")
    weights = te.placeholder((shape.oc, channels, shape.kh, shape.kw), "float32", name="weights")
    around = frame(shape, shape.out_w)
    pixels = framed(data, around)
    c, i, j = (te.reduce_axis((0, size), name) for size, name in ((channels, "c"), (shape.kh, "i"), (shape.kw, "j")))

    def product(n: Expr, k: Expr, y: Expr, x: Expr) -> Expr:
        row = y * around.strides[0] + i * shape.dilation[0]
        col = x * around.strides[1] + j * shape.dilation[1]
        return te.sum(pixels[n, k // per_group, c, row, col] * weights[k, c, i, j], axis=[c, i, j])

    out = te.compute((shape.n, shape.oc, shape.out_h, shape.out_w), product, name="out")

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("conv2d", "weights", constants[0], (shape.oc, channels, shape.kh, shape.kw), "float32")
        return constants

    return CpuOperator("conv2d_float32", te.create_schedule(out), (data, weights, out), pack)
