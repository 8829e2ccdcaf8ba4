"""Scales such that what is added to a layer's result counts in it exactly, on the accelerator as in ONNX Runtime."""

from __future__ import annotations

from math import frexp, ldexp

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from dovetail.compiler.ops.scales import INT16

LINEAR = ("Conv", "Gemm", "MatMul")
BOUNDS = ("Relu", "Clip")
MOVING = ("Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose output has the scale of their input."""
MULTIPLIER_BITS = INT16[1].bit_length()


def exact_residuals(model: ModelProto) -> None:
    """Moves the scale of each sum of a layer and a quantised tensor so that the accelerator needs no rounding of it.

    A store multiplies a residual by the ratio of two scales, of which it takes `MULTIPLIER_BITS` bits. A scale that is
    found by calibration is only a fraction of 2**-`MULTIPLIER_BITS` away from one for which that ratio is exact.

    Parameters
    ----------
    model:
        Quantised, with nodes in the order of execution; is changed.
    """
    scales = _Scales(model)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            wanted = scales.wanted(node)
            if wanted is not None:
                scales.change(node, wanted)
    scales.write()


class _Scales:
    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.producers: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.after: dict[str, np.ndarray] = {}

    def wanted(self, quantize: NodeProto) -> float | None:
        """The scale that the output of `quantize` should have; None for the one it has."""
        node = self.producers.get(quantize.input[0])
        if node is None:
            return None
        if node.op_type in MOVING:
            source = self._dequantized(node.input[0])
            same = source is not None and self._old(source) == self._old(quantize)
            return self._new(source) if same and source is not None else None
        if node.op_type in BOUNDS:
            node = self.producers.get(node.input[0])
        if node is None or node.op_type != "Add":
            return None
        residuals = [one for name in node.input if (one := self._dequantized(name)) is not None]
        sources = [self.producers.get(name) for name in node.input]
        if len(residuals) != 1 or not any(one is not None and one.op_type in LINEAR for one in sources):
            return None
        residual, own = self._new(residuals[0]), self._new(quantize)
        if residual is None or own is None:
            return None
        fraction, exponent = frexp(residual / own)
        multiplier = min(round(ldexp(fraction, MULTIPLIER_BITS)), INT16[1])
        return ldexp(residual / multiplier, MULTIPLIER_BITS - exponent)

    def change(self, quantize: NodeProto, scale: float) -> None:
        """Give the tensor that `quantize` gives another scale, and the biases that have it in theirs."""
        changed = np.float32(scale)
        ratio = float(changed) / float(self.before[quantize.input[1]])
        self.after[quantize.input[1]] = np.asarray(changed)
        for dequantize in self.readers.get(quantize.output[0], []):
            self.after[dequantize.input[1]] = np.asarray(changed)
            for node in self.readers.get(dequantize.output[0], []):
                bias = self._bias(node) if node.input[0] == dequantize.output[0] else None
                if bias is not None:
                    self.after[bias] = (self.before[bias].astype(np.float64) * ratio).astype(np.float32)

    def write(self) -> None:
        for tensor in self.model.graph.initializer:
            if tensor.name in self.after:
                tensor.CopyFrom(numpy_helper.from_array(self.after[tensor.name], tensor.name))

    def _bias(self, node: NodeProto) -> str | None:
        """The name of the scale of a layer's int32 bias, if it has one."""
        if node.op_type not in LINEAR or len(node.input) < 3:
            return None
        source = self.producers.get(node.input[2])
        if source is None or source.op_type != "DequantizeLinear":
            return None
        name = str(source.input[1])
        return name if name in self.before else None

    def _dequantized(self, name: str) -> NodeProto | None:
        """The node that quantised `name`, if it is a tensor that was quantised with one constant scale."""
        dequantize = self.producers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return None
        quantize = self.producers.get(dequantize.input[0])
        known = quantize is not None and quantize.op_type == "QuantizeLinear" and self._old(quantize) is not None
        return quantize if known else None

    def _old(self, quantize: NodeProto) -> float | None:
        scale = self.before.get(quantize.input[1])
        return float(scale) if scale is not None and scale.size == 1 else None

    def _new(self, quantize: NodeProto) -> float | None:
        scale = self.after.get(quantize.input[1], self.before.get(quantize.input[1]))
        return float(scale) if scale is not None and scale.size == 1 else None
