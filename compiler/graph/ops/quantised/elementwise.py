"""Operators on single int8 elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dovetail.compiler import te
from dovetail.compiler.graph.arithmetic import finished, scaled
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.quantise import Residual, requantise
from dovetail.compiler.ops.scales import Output, Scale
from dovetail.compiler.tir.expr import Expr


@dataclass(frozen=True, kw_only=True)
class QAdd(Op):
    """The sum of two int8 tensors of one shape, each with a scale of its own."""

    operands: ClassVar[tuple[int, int | None]] = (2, 2)

    one: Scale = field(default_factory=Scale)
    other: Scale = field(default_factory=Scale)
    output: Output = field(default_factory=Output)

    def infer(self, *types: TensorType) -> TensorType:
        if types[0] != types[1] or types[0].dtype != "int8":
            raise GraphError(f"{self.name} takes two int8 tensors of one shape, not {types[0]} and {types[1]}")
        return types[0]

    def evaluate(self, *arrays: Array) -> Array:
        return finished(scaled(arrays[0], self.one) + scaled(arrays[1], self.other), self.output)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        one, other = tensors

        def element(*at: Expr) -> Expr:
            residual = Residual(other[at], self.other.zero_point, self.other.multiplier, self.other.shift)
            return rescaled(one[at], self.one, self.output, residual)

        return te.compute(one.shape, element, name="out")


@dataclass(frozen=True, kw_only=True)
class QRescale(Op):
    """int8 with another scale, zero point or bounds: ReLU and clipping are this too."""

    scale: Scale = field(default_factory=Scale)
    output: Output = field(default_factory=Output)

    def infer(self, *types: TensorType) -> TensorType:
        if types[0].dtype != "int8":
            raise GraphError(f"{self.name} takes int8, not {types[0]}")
        return types[0]

    def evaluate(self, *arrays: Array) -> Array:
        return finished(scaled(arrays[0], self.scale), self.output)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return te.compute(tensors[0].shape, lambda *at: rescaled(tensors[0][at], self.scale, self.output), name="out")


def rescaled(value: Expr, scale: Scale, output: Output, residual: Residual | None = None) -> Expr:
    """`value` by `scale`, plus the residual, as `output` says."""
    return requantise(
        value.astype("int32"),
        bias=-scale.zero_point if scale.zero_point else None,
        multiplier=scale.multiplier,
        shift=scale.shift,
        residual=residual,
        fraction=output.fraction,
        zero_point=output.zero_point,
        bounds=output.bounds,
    )
