"""Graphs between Quantize and Dequantize, written down layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.graph.graph import Builder, Graph, Value
from dovetail.compiler.graph.interpreter import interpret
from dovetail.compiler.graph.ops.elementwise import Binary, Unary
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize


class Layers(Builder):
    """A builder with the patterns that quantisers write.

    Parameters
    ----------
    dtype:
        Of activations: int8 or uint8. Zero points are given as for int8.
    """

    def __init__(self, dtype: str = "int8", seed: int = 0) -> None:
        super().__init__("net")
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(seed)

    def quantised(self, value: Value, scale: float, zero_point: int = 0, name: str = "q") -> Value:
        """`value` quantised."""
        return self.node(Quantize(), value, *self._parameters(scale, zero_point), name=name)

    def rounded(self, value: Value, scale: float, zero_point: int = 0, name: str = "q") -> Value:
        """`value` through integers of this scale and back."""
        integers = self.quantised(value, scale, zero_point, name)
        return self.node(Dequantize(), integers, *self._parameters(scale, zero_point))

    def weights(self, *shape: int, axis: int | None = 0, scale: float = 0.005) -> Value:
        """Random int8 constants with scales along `axis`, as floats."""
        array = self.rng.integers(-127, 128, shape, dtype=np.int8)
        scales = np.asarray(self.rng.uniform(scale / 2, scale, () if axis is None else shape[axis]), np.float32)
        zeros = np.zeros(scales.shape, np.int8)
        operands = (self.constant(array, "weight"), self.constant(scales), self.constant(zeros))
        return self.node(Dequantize(axis=axis), *operands)

    def floats(self, *shape: int, scale: float = 1.0) -> Value:
        """Random constants."""
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def conv(self, data: Value, channels: int, kernel: int = 3, *, bias: bool = True, groups: int = 1) -> Value:
        """A convolution that keeps the image's size."""
        spatial = data.type.rank - 2
        weight = self.weights(channels, data.type.shape[1] // groups, *[kernel] * spatial)
        ends = (kernel // 2,) * spatial
        op = Conv(strides=(1,) * spatial, pads_begin=ends, pads_end=ends, dilations=(1,) * spatial, groups=groups)
        return self.node(op, data, weight, *([self.floats(channels)] if bias else []))

    def matmul(self, one: Value, other: Value) -> Value:
        return self.node(MatMul(), one, other)

    def add(self, one: Value, other: Value) -> Value:
        return self.node(Binary(function="add"), one, other)

    def relu(self, value: Value) -> Value:
        return self.node(Unary(function="relu"), value)

    def samples(self, count: int = 3) -> list[dict[str, NDArray]]:
        """Inputs of the graph, around -3 to 3."""
        return [
            {value.name: self.rng.standard_normal(value.type.shape).astype(np.float32) for value in self.inputs}
            for _ in range(count)
        ]

    def _parameters(self, scale: float, zero_point: int) -> tuple[Value, Value]:
        middle = 128 if self.dtype == np.uint8 else 0
        return self.constant(np.array(scale, np.float32)), self.constant(np.array(zero_point + middle, self.dtype))


def ops(graph: Graph) -> list[str]:
    """Names of the operators, in order."""
    return [node.op.name for node in graph.nodes]


def differences(before: Graph, after: Graph, samples: Sequence[dict[str, NDArray]]) -> NDArray:
    """By how much int8 values of `after` are beside those of `before` with the same names, of all samples."""
    found = []
    for sample in samples:
        expected, given = interpret(before, sample), interpret(after, sample)
        for node in after.nodes:
            if node.output.type.dtype == "int8" and node.name in expected and node.name not in sample:
                middle = 128 if expected[node.name].dtype == np.uint8 else 0
                found.append((given[node.name].astype(int) - (expected[node.name].astype(int) - middle)).reshape(-1))
    assert found
    return np.concatenate(found)
