"""After quantisation what is added to a layer counts exactly: its ratio has no more bits than the store unit takes."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dovetail.compiler.frontend.exact_residuals import MULTIPLIER_BITS, exact_residuals


def _block(scales: dict[str, float]) -> onnx.ModelProto:
    """``relu(conv(x) + x)``, pooled, then a convolution with an int32 bias, in QDQ form."""
    constants: dict[str, NDArray[np.generic]] = {
        "zero": np.int8(0),
        "weight": np.ones((1, 1, 1, 1), np.int8),
        "weight_scale": np.float32(0.01),
        "bias": np.array([1000], np.int32),
        "bias_zero": np.int32(0),
        "bias_scale": np.float32(scales["sum"] * 0.01),
    } | {f"{name}_scale": np.float32(scale) for name, scale in scales.items()}
    nodes = []

    def node(op: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def quantised(name: str, scale: str) -> str:
        quantised = node("QuantizeLinear", [name, f"{scale}_scale", "zero"], f"{name}_q")
        return node("DequantizeLinear", [quantised, f"{scale}_scale", "zero"], f"{name}_dq")

    weight = node("DequantizeLinear", ["weight", "weight_scale", "zero"], "weight_dq")
    bias = node("DequantizeLinear", ["bias", "bias_scale", "bias_zero"], "bias_dq")
    x = quantised("x", "x")
    total = node("Relu", [node("Add", [node("Conv", [x, weight], "conv"), x], "total")], "relu")
    pooled = node("MaxPool", [quantised(total, "sum")], "pooled", kernel_shape=[2, 2])
    quantised(node("Conv", [quantised(pooled, "pooled"), weight, bias], "last"), "last")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "block",
        [value("x", TensorProto.FLOAT, (1, 1, 4, 4))],
        [value("last_dq", TensorProto.FLOAT, (1, 1, 3, 3))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _scales(model: onnx.ModelProto) -> dict[str, float]:
    return {
        tensor.name: float(numpy_helper.to_array(tensor))
        for tensor in model.graph.initializer
        if tensor.name.endswith("_scale")
    }


def test_ratios_of_residuals_fit_the_multiplier_and_scales_hardly_move() -> None:
    before = {"x": 0.0123456, "sum": 0.0234567, "pooled": 0.0234567, "last": 0.05}
    model = _block(before)
    exact_residuals(model)
    after = _scales(model)
    multiplier = after["x_scale"] / after["sum_scale"] * 2**MULTIPLIER_BITS
    assert abs(multiplier - round(multiplier)) < multiplier * 2**-22, "only float32's own rounding is left"
    assert abs(after["sum_scale"] / before["sum"] - 1) < 2**-MULTIPLIER_BITS
    assert after["pooled_scale"] == after["sum_scale"], "pooling has one scale"
    assert after["x_scale"] == np.float32(before["x"])
    assert after["last_scale"] == np.float32(before["last"])
    assert np.isclose(after["bias_scale"], after["sum_scale"] * after["weight_scale"], rtol=1e-6)


def test_a_model_without_residuals_stays_as_it_is() -> None:
    model = _block({"x": 0.01, "sum": 0.02, "pooled": 0.03, "last": 0.05})
    for node in model.graph.node:
        if node.op_type == "Add":
            node.op_type = "Mul"
    text = model.SerializeToString()
    exact_residuals(model)
    assert model.SerializeToString() == text
