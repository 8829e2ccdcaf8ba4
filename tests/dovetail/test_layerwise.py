"""Tensors of a quantised network are compared with ONNX Runtime's by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dovetail.compiler.frontend import from_onnx
from dovetail.compiler.graph.ops.quantised import QConv2d
from dovetail.compiler.graph.pipeline import optimise
from dovetail.layerwise import LayerwiseError, RuntimeRefuses, compare, compare_layers, quantised_values

SCALES = {"data": 0.05, "weight": 0.0101, "out": 0.04}
SHAPE = (1, 4, 5, 5)


def qdq_model(dtype: type[np.generic], zero_point: int, weight: np.ndarray) -> onnx.ModelProto:
    """A 1x1 convolution between quantisations to `dtype`."""
    weights = [numpy_helper.from_array(np.float32(scale), f"{name}.scale") for name, scale in SCALES.items()]
    weights += [numpy_helper.from_array(dtype(zero_point), "zero"), numpy_helper.from_array(weight, "weight")]
    weights.append(numpy_helper.from_array(np.int8(0), "weight.zero"))
    nodes = [
        helper.make_node("QuantizeLinear", ["data", "data.scale", "zero"], ["data_q"]),
        helper.make_node("DequantizeLinear", ["data_q", "data.scale", "zero"], ["data_dq"]),
        helper.make_node("DequantizeLinear", ["weight", "weight.scale", "weight.zero"], ["weight_dq"]),
        helper.make_node("Conv", ["data_dq", "weight_dq"], ["conv"]),
        helper.make_node("QuantizeLinear", ["conv", "out.scale", "zero"], ["conv_q"]),
        helper.make_node("DequantizeLinear", ["conv_q", "out.scale", "zero"], ["result"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("data", "result")]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def case():
    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (4, 4, 1, 1)).astype(np.int8)
    data = random.uniform(-5, 5, SHAPE).astype(np.float32)
    data_q = np.clip(np.rint(data / np.float32(SCALES["data"])), -128, 127).astype(np.int8)
    sums = np.einsum("oi,niyx->noyx", weight[:, :, 0, 0].astype(int), data_q.astype(int))
    ratio = SCALES["data"] * SCALES["weight"] / SCALES["out"]
    values = {"data_q": data_q, "conv_q": np.clip(np.rint(sums * ratio), -128, 127).astype(np.int8)}
    return weight, {"data": data}, values


def test_equal_tensors_do_not_differ(case):
    weight, inputs, values = case
    assert compare(quantised_values(qdq_model(np.int8, 0, weight), inputs), values) == [
        ("data_q", 0, 0.0),
        ("conv_q", 0, 0.0),
    ]


def test_the_largest_difference_and_the_share_of_differences_are_found(case):
    weight, inputs, values = case
    changed = values["conv_q"].copy()
    changed[0, 1, 2, 3] += 3 if changed[0, 1, 2, 3] < 0 else -3
    changed[0, 0, 0, 0] += 1 if changed[0, 0, 0, 0] < 0 else -1
    found = compare(quantised_values(qdq_model(np.int8, 0, weight), inputs), {"conv_q": changed})
    assert found == [("conv_q", 3, 2 / changed.size)]


def test_int8_is_compared_with_uint8_by_meaning(case):
    weight, inputs, values = case
    assert all(one.steps == 0 for one in compare(quantised_values(qdq_model(np.uint8, 128, weight), inputs), values))


def test_names_that_the_model_does_not_quantise_are_left_out(case):
    weight, inputs, values = case
    model = qdq_model(np.int8, 0, weight)
    theirs = quantised_values(model, inputs)
    assert list(theirs) == ["data_q", "conv_q"]
    assert compare(theirs, {"conv": values["conv_q"], "else": values["conv_q"]}) == []


def test_another_shape_is_refused(case):
    weight, inputs, values = case
    with pytest.raises(LayerwiseError, match=r"^data_q has shape \(1, 4, 5, 5\) in the model, not \(1, 4, 25\)$"):
        compare(quantised_values(qdq_model(np.int8, 0, weight), inputs), {"data_q": values["data_q"].reshape(1, 4, 25)})


def test_a_model_that_onnx_runtime_cannot_run_is_said_to_be_one(case):
    weight, inputs, _ = case
    with pytest.raises(RuntimeRefuses, match="Got invalid dimensions for input: data"):
        quantised_values(qdq_model(np.int8, 0, weight), {"data": inputs["data"][..., :2]})


def test_layers_are_compared_from_the_same_operands_and_a_wrong_one_is_found(case):
    weight, inputs, _ = case
    model = qdq_model(np.uint8, 128, weight)
    graph, params = from_onnx(model)
    graph = optimise(graph.bind(params))
    theirs = quantised_values(model, inputs)
    assert compare_layers(theirs, graph, inputs) == [("data_q", 0, 0.0), ("conv_q", 0, 0.0)]
    wrong = []
    for node in graph.nodes:
        op = node.op
        if isinstance(op, QConv2d):
            op = replace(op, output=replace(op.output, bounds=(0, 127)))
        wrong.append(replace(node, op=op))
    data, conv = compare_layers(theirs, replace(graph, nodes=tuple(wrong)), inputs)
    assert data == ("data_q", 0, 0.0)
    assert conv.name == "conv_q"
    assert conv.steps > 1 and conv.fraction > 0.1
