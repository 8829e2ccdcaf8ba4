"""ONNX Runtime's quantiser, and quantised models here beside ONNX Runtime."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.frontend.onnx import from_onnx
from dovetail.compiler.frontend.quantising import quantise
from dovetail.compiler.graph.interpreter import interpret
from dovetail.compiler.graph.pipeline import optimise

SHAPE = (1, 3, 16, 16)


class Net:
    """A model with random weights, node by node."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []

    def weight(self, name: str, *shape: int) -> str:
        array = self.rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4)
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def conv(self, data: str, output: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        weight = self.weight(f"{output}_w", outputs, inputs, kernel, kernel)
        operands = [data, weight, self.weight(f"{output}_b", outputs)]
        return self.node("Conv", operands, output, pads=[kernel // 2] * 4, strides=[stride] * 2)

    def model(self, output: str, shape: tuple[int, ...], inputs: tuple[int, ...] = SHAPE) -> ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def resnet() -> ModelProto:
    """A block that keeps the size, one that halves it, and a classifier."""
    net = Net()
    x = net.node("Relu", [net.conv("x", "stem", 3, 8)], "stem_relu")
    x = net.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("Relu", [net.conv(x, "one", 8, 8)], "one_relu")
    y = net.node("Add", [net.conv(y, "two", 8, 8), x], "two_sum")
    x = net.node("Relu", [y], "two_relu")
    shortcut = net.conv(x, "shortcut", 8, 16, 1, 2)
    y = net.node("Relu", [net.conv(x, "three", 8, 16, stride=2)], "three_relu")
    y = net.node("Add", [net.conv(y, "four", 16, 16), shortcut], "four_sum")
    x = net.node("Flatten", [net.node("GlobalAveragePool", [net.node("Relu", [y], "four_relu")], "mean")], "flat")
    x = net.node("Gemm", [x, net.weight("fc_w", 10, 16), net.weight("fc_b", 10)], "logits", transB=1)
    return net.model(x, (1, 10))


def samples(count: int, seed: int = 1) -> list[dict[str, NDArray]]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.standard_normal(SHAPE).astype(np.float32)} for _ in range(count)]


@pytest.fixture(scope="module")
def quantised() -> ModelProto:
    return quantise(resnet(), samples(4))


class Reader(CalibrationDataReader):
    def __init__(self) -> None:
        self.samples = iter(samples(4))

    def get_next(self) -> dict[str, NDArray] | None:
        return next(self.samples, None)


def by_onnx_runtime(model: ModelProto, sample: dict[str, NDArray]) -> dict[str, NDArray]:
    """The outputs of all QuantizeLinear, as int8."""
    shown = ModelProto()
    shown.CopyFrom(model)
    dtypes = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            shown.graph.output.append(helper.make_tensor_value_info(node.output[0], dtypes[node.input[2]], None))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, sample), strict=True))
    return {
        name: array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)
        for name, array in found.items()
        if array.dtype.itemsize == 1
    }


def differing(model: ModelProto, accelerated: set[str]) -> float:
    """The share of elements, in all quantised tensors, in which a layer differs from ONNX Runtime's, by one step.

    Each layer is given what ONNX Runtime has before it.
    """
    graph, params = from_onnx(model)
    graph = optimise(graph.bind(params))
    assert {node.op.name for node in graph.nodes} == accelerated
    wrong = total = 0
    for sample in samples(3, seed=9):
        expected = by_onnx_runtime(model, sample)
        known = {value.name: array for value, array in graph.constants.items()} | sample
        for node in graph.nodes:
            known[node.name] = node.op.evaluate(*(known[value.name] for value in node.inputs))
            if node.name in expected:
                difference = np.abs(expected[node.name] - known[node.name])
                assert difference.max() <= 1, node.name
                wrong += np.count_nonzero(difference)
                total += difference.size
                known[node.name] = expected[node.name].astype(np.int8)
        assert expected.keys() <= known.keys()
    return wrong / total


ACCELERATED = {"quantize", "qconv2d", "qmaxpool2d", "qavgpool2d", "reshape", "qmatmul", "dequantize"}


def test_a_residual_network_is_all_quantised_operators_near_to_onnx_runtime(quantised: ModelProto) -> None:
    assert differing(quantised, ACCELERATED) < 0.001
    graph, params = from_onnx(quantised)
    graph = optimise(graph.bind(params))
    for sample in samples(3, seed=9):
        expected, given = by_onnx_runtime(quantised, sample), interpret(graph, sample)
        assert max(np.abs(array - given[name]).max() for name, array in expected.items()) <= 1


@pytest.mark.parametrize("activations", [QuantType.QUInt8, QuantType.QInt8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_models_that_others_quantised_are_near_too(tmp_path: Path, activations: QuantType, per_channel: bool) -> None:
    # Seven bits in weights: without VNNI, ONNX Runtime's products of uint8 with eight bits saturate.
    onnx.save(resnet(), tmp_path / "float.onnx")
    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "int8.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        reduce_range=True,
        activation_type=activations,
        weight_type=QuantType.QInt8,
    )
    assert differing(onnx.load(tmp_path / "int8.onnx"), ACCELERATED | {"qadd"}) < 0.001


def test_layers_are_rounded_once(quantised: ModelProto) -> None:
    rounded = [node.input[0] for node in quantised.graph.node if node.op_type == "QuantizeLinear"]
    assert [name.removesuffix("_QuantizeLinear_Input") for name in rounded] == [
        "x",
        "stem_relu",
        "pool",
        "one_relu",
        "two_relu",
        "shortcut",
        "three_relu",
        "four_relu",
        "mean",
        "flat",
        "logits",
    ]
    assert all(
        not numpy_helper.to_array(tensor).any()
        for tensor in quantised.graph.initializer
        if tensor.name.endswith("zero_point")
    )
    onnx.checker.check_model(quantised)


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_methods_and_ranges(method: str) -> None:
    seen: list[tuple[int, int]] = []
    model = quantise(
        resnet(),
        iter(samples(3)),
        method=method,
        symmetric=False,
        per_channel=False,
        progress=lambda done, of: seen.append((done, of)),
    )
    points = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer if "zero_point" in tensor.name]
    assert any(point.any() for point in points)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_nothing_is_left_or_changed(capfd: pytest.CaptureFixture[str]) -> None:
    model = resnet()
    before, files = model.SerializeToString(), set(Path(tempfile.gettempdir()).iterdir())
    quantise(model, samples(1))
    assert model.SerializeToString() == before
    assert not [path for path in set(Path(tempfile.gettempdir()).iterdir()) - files if "quant" in path.name]
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == 0


def test_products_and_their_biases_are_one_layer() -> None:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("w", 16, 24)], "product")
    x = net.node("Relu", [net.node("Add", [net.weight("b", 24), x], "sum")], "relu")
    x = net.node("MatMul", [x, net.weight("v", 24, 8)], "y")
    model = quantise(net.model(x, (1, 3, 16, 8)), samples(2))
    graph, params = from_onnx(model)
    names = [node.op.name for node in optimise(graph.bind(params)).nodes if node.op.name != "reshape"]
    assert names == ["quantize", "qmatmul", "qmatmul", "dequantize"]


def test_old_models_are_converted() -> None:
    net = Net()
    proto = net.model(net.node("Relu", [net.conv("x", "conv", 3, 4)], "y"), (1, 4, 16, 16))
    proto.opset_import[0].version = 11
    graph, params = from_onnx(quantise(proto, samples(1)))
    assert [node.op.name for node in optimise(graph.bind(params)).nodes] == ["quantize", "qconv2d", "dequantize"]


def test_excluded_nodes_stay_float() -> None:
    model = resnet()
    model.graph.node[0].name = "first"
    graph, params = from_onnx(quantise(model, samples(1), exclude=["first"]))
    assert "conv" in {node.op.name for node in optimise(graph.bind(params)).nodes}


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ([], "no calibration data"),
        ([{"y": np.zeros(SHAPE, np.float32)}], "calibration sample 0 has no 'x'; the model's inputs are x"),
        ([{"x": np.zeros(SHAPE, np.float32), "z": 1}], "calibration sample 0 has 'z'"),
        ([{"x": np.zeros(SHAPE)}], "calibration sample 0: x is float64, but the model takes float32; use astype"),
        ([{"x": np.zeros((3, 16, 16), np.float32)}], r"x has the shape \[3, 16, 16\], but the model takes \[1, 3"),
        ([{"x": np.full(SHAPE, np.nan, np.float32)}], "x has infinities or values that are not a number"),
        ([np.zeros(SHAPE, np.float32)], "is a ndarray, but must be a mapping from inputs to arrays: x"),
    ],
)
def test_calibration_data_must_fit(calibration: list, message: str) -> None:
    with pytest.raises(FrontendError, match=message):
        quantise(resnet(), calibration)


def test_what_cannot_be_quantised_is_said(quantised: ModelProto, tmp_path: Path) -> None:
    with pytest.raises(FrontendError, match="quantised already"):
        quantise(quantised, samples(1))
    with pytest.raises(FrontendError, match="no calibration method 'best'; use one of minmax, entropy, percentile"):
        quantise(resnet(), samples(1), method="best")
    with pytest.raises(FrontendError, match="no such file"):
        quantise(tmp_path / "none.onnx", samples(1))
    with pytest.raises(FrontendError, match="no node 'fourth' to exclude"):
        quantise(resnet(), samples(1), exclude=["fourth"])
