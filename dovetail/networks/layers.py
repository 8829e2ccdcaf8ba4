"""ONNX models, layer by layer, as exporters write them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import require

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 9
"""Old enough for every ONNX Runtime that runs with this Python."""

FLOAT = np.float32
Floats = NDArray[np.float32]

SMOOTH = np.array([1.0, 2.0, 1.0])
FEATURES = 16
"""Kinds of channels in a tensor; those of one kind are nearly alike."""
ROUGHNESS = 0.3
"""How much white noise is in the kernels, next to the part that is smooth and common to channels of a kind."""


class Layers:
    """Puts a float model together. The output of a layer has the layer's name, its weights that name and a suffix.

    Parameters
    ----------
    seed:
        Of the weights; None makes them all 0, for what needs only shapes.

    Raises
    ------
    NetworkError:
        onnx is not installed.
    """

    def __init__(self, name: str, seed: int | None) -> None:
        require("onnx")
        self.name = name
        self._random = None if seed is None else np.random.default_rng(seed)
        self._inputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._shapes: dict[str, tuple[int, ...]] = {}

    def input(self, name: str, shape: tuple[int, ...]) -> str:
        """A float input."""
        from onnx import TensorProto, helper

        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self._shapes[name] = shape
        return name

    def node(
        self, operator: str, name: str, inputs: list[str], shape: tuple[int, ...] | None = None, **attributes: Any
    ) -> str:
        """Any operator; `shape` is that of its output, by default that of its first input."""
        from onnx import helper

        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        self._shapes[name] = shape or self._shapes[inputs[0]]
        return name

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """A tensor that is known."""
        from onnx import numpy_helper

        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def random(self, name: str, shape: tuple[int, ...], mean: float, deviation: float) -> str:
        """Normally distributed weights."""
        if self._random is None:
            return self.constant(name, np.zeros(shape, FLOAT))
        array = self._random.standard_normal(shape, FLOAT) * FLOAT(deviation) + FLOAT(mean)
        return self.constant(name, array)

    def shape(self, data: str) -> tuple[int, ...]:
        """Shape of an input or of a layer's output."""
        return self._shapes[data]

    def channels(self, data: str) -> int:
        """Size of the second axis."""
        return self._shapes[data][1]

    def conv(
        self, name: str, data: str, channels: int, kernel: int, *, stride: int = 1, pad: int = 0, groups: int = 1
    ) -> str:
        """A convolution without a bias, initialised as He et al., Delving Deep into Rectifiers (2015)."""
        n, depth, *sizes = self._shapes[data]
        weight = (channels, depth // groups, kernel, kernel)
        return self.node(
            "Conv",
            name,
            [data, self.constant(f"{name}.weight", self._kernels(weight))],
            (n, channels, *((size + 2 * pad - kernel) // stride + 1 for size in sizes)),
            dilations=[1, 1],
            group=groups,
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride, stride],
        )

    def batch_norm(self, name: str, data: str, gain: float = 1.0, offset: float = 0.0) -> str:
        """Batch normalisation that does nothing to the statistics yet: `with_statistics` measures them.

        Parameters
        ----------
        gain, offset:
            Means of the channels' factors and of what is added to them.
        """
        channels = (self._shapes[data][1],)
        operands = [
            self.random(f"{name}.weight", channels, gain, 0.1 * gain),
            self.random(f"{name}.bias", channels, offset, 0.1 * gain),
            self.constant(f"{name}.running_mean", np.zeros(channels, FLOAT)),
            self.constant(f"{name}.running_var", np.ones(channels, FLOAT)),
        ]
        return self.node("BatchNormalization", name, [data, *operands], epsilon=1e-5, momentum=0.9)

    def relu(self, name: str, data: str) -> str:
        return self.node("Relu", name, [data])

    def relu6(self, name: str, data: str) -> str:
        bounds = [
            self.constant(f"{name}.min", np.array(0.0, FLOAT)),
            self.constant(f"{name}.max", np.array(6.0, FLOAT)),
        ]
        return self.node("Clip", name, [data, *bounds])

    def add(self, name: str, one: str, other: str) -> str:
        return self.node("Add", name, [one, other])

    def max_pool(self, name: str, data: str, kernel: int, *, stride: int, pad: int) -> str:
        n, channels, *sizes = self._shapes[data]
        shape = (n, channels, *((size + 2 * pad - kernel) // stride + 1 for size in sizes))
        return self.node(
            "MaxPool",
            name,
            [data],
            shape,
            ceil_mode=0,
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride, stride],
        )

    def classifier(self, data: str, classes: int, *, pool: str, flat: str, name: str, output: str) -> str:
        """Global average pooling, then a fully connected layer with bias."""
        n, channels, *sizes = self._shapes[data]
        pooled = self.node("GlobalAveragePool", pool, [data], (n, channels, *(1 for _ in sizes)))
        flattened = self.node("Flatten", flat, [pooled], (n, channels), axis=1)
        weight = self.constant(f"{name}.weight", self._rows(classes, channels))
        bias = self.random(f"{name}.bias", (classes,), 0.0, 0.01)
        return self.node("Gemm", output, [flattened, weight, bias], (n, classes), transB=1)

    def linear(self, name: str, data: str, features: int) -> str:
        """A fully connected layer over the last axis, as MatMul and Add."""
        *outer, depth = self._shapes[data]
        shape = (*outer, features)
        weight = self.random(f"{name}.weight", (depth, features), 0.0, depth**-0.5)
        product = self.node("MatMul", f"{name}.matmul", [data, weight], shape)
        return self.node("Add", name, [product, self.random(f"{name}.bias", (features,), 0.0, 0.02)], shape)

    def model(self, output: str) -> onnx.ModelProto:
        """What has been put together."""
        from onnx import TensorProto, helper

        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, self._shapes[output])
        graph = helper.make_graph(self._nodes, self.name, self._inputs, [result], self._weights)
        return helper.make_model(
            graph, producer_name="dovetail", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )

    def _rows(self, classes: int, channels: int) -> Floats:
        """Weights whose sum is 0 for each class, so that what all inputs have in common decides nothing."""
        if self._random is None:
            return np.zeros((classes, channels), FLOAT)
        kinds = min(channels, FEATURES)
        common = self._random.standard_normal((classes, kinds), FLOAT)[:, _kinds(channels, kinds)]
        rows = common + ROUGHNESS * self._random.standard_normal((classes, channels), FLOAT)
        centred: Floats = ((rows - rows.mean(1, keepdims=True)) * channels**-0.5).astype(FLOAT)
        return centred

    def _kernels(self, shape: tuple[int, ...]) -> Floats:
        """Kernels of low frequencies and few kinds, as training makes them: with white noise instead, an error of
        rounding would grow from layer to layer."""
        if self._random is None:
            return np.zeros(shape, FLOAT)
        outer, inner, *_, size = shape
        kinds = min(outer, FEATURES), min(inner, FEATURES)
        common = self._random.standard_normal((*kinds, 1, 1), FLOAT)
        common = common[_kinds(outer, kinds[0])][:, _kinds(inner, kinds[1])] * _smooth(size)
        mixed = common + ROUGHNESS * self._random.standard_normal(shape, FLOAT)
        kernels: Floats = (mixed * (2 / prod(shape[1:]) / (1 + ROUGHNESS**2)) ** 0.5).astype(FLOAT)
        return kernels


def _smooth(size: int) -> Floats:
    """A square low-pass filter whose elements have a root mean square of 1."""
    line = np.ones(1)
    while line.size < size:
        line = np.convolve(line, SMOOTH)
    square = np.outer(line, line)
    smooth: Floats = (square / np.sqrt(np.mean(square**2))).astype(FLOAT)
    return smooth


def _kinds(channels: int, kinds: int) -> NDArray[np.int64]:
    """Which kind each channel is of: neighbours are of one."""
    return np.arange(channels) * kinds // channels
