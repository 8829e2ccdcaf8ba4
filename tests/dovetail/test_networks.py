"""Networks without files are the published architectures, seeded, and behave like trained ones where it matters."""

from __future__ import annotations

from math import erf, prod

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, shape_inference
from onnx.helper import get_node_attr_value

from dovetail.networks import NETWORKS, NetworkError, calibration, mobilenetv2, network, quantised, resnet18
from dovetail.networks import quantised as quantised_function
from dovetail.networks.errors import require
from dovetail.networks.samples import images
from dovetail.networks.transformer import transformer

PUBLISHED = {
    "resnet18": (11_689_512, 1.814),
    "resnet50": (25_557_032, 4.089),
    "mobilenetv2": (3_504_872, 0.301),
}
"""Trained parameters, and 10**9 multiplications for an image of 224x224, as torchvision's documentation has them."""

TRAINED = (".weight", ".bias")


def multiplications(model: onnx.ModelProto) -> int:
    """Of Conv, Gemm and MatMul, from shapes alone."""
    inferred = shape_inference.infer_shapes(model, strict_mode=True)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]:
        shapes[value.name] = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
    total = 0
    for node in model.graph.node:
        output, given = shapes[node.output[0]], [shapes[name] for name in node.input]
        if node.op_type == "Conv":
            total += prod(output) * prod(given[1][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += prod(output) * given[0][-1]
    return total


def run(model: onnx.ModelProto, data: np.ndarray, *names: str) -> list[list[np.ndarray]]:
    """What ONNX Runtime computes for each element of `data`: the named values."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(list(names), {"data": one[None]}) for one in data]


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name):
    parameters, billions = PUBLISHED[name]
    model = NETWORKS[name](seed=None)
    counted = sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.name.endswith(TRAINED))
    assert counted == parameters
    assert round(multiplications(model) / 1e9, 3) == billions


def test_every_network_has_one_float_input_of_the_batch_asked_for():
    for make in NETWORKS.values():
        model = make(None, batch=2)
        (data,) = model.graph.input
        assert (data.name, data.type.tensor_type.shape.dim[0].dim_value) == ("data", 2)
        assert data.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_resnet_50_has_its_strides_in_the_3x3_convolutions():
    strided = [
        node
        for node in NETWORKS["resnet50"](None).graph.node
        if node.op_type == "Conv" and get_node_attr_value(node, "strides") == [2, 2] and "downsample" not in node.name
    ]
    assert [get_node_attr_value(node, "kernel_shape") for node in strided] == [[7, 7], [3, 3], [3, 3], [3, 3]]


def test_a_seed_decides_all_weights():
    one, same, other = (mobilenetv2(seed, size=32) for seed in (1, 1, 2))
    assert one.SerializeToString() == same.SerializeToString()
    kernels = [weights_of(model)["features.1.project.conv.weight"] for model in (one, other)]
    assert not np.allclose(*kernels)
    onnx.checker.check_model(one, full_check=True)


@pytest.mark.parametrize("make", [resnet18, mobilenetv2])
def test_activations_keep_their_range_and_classes_depend_on_the_input(make):
    size = 64
    model = make(0, size=size)
    names = [node.output[0] for node in model.graph.node if node.op_type == "BatchNormalization"]
    found = run(model, images(7, size, 6), *names, "logits")
    for layer in zip(*found, strict=True):
        assert 0.05 < np.std(layer) < 20
    logits = np.stack([values[-1] for values in found])
    assert logits.std(axis=0).mean() > 0.3 * logits.std()
    assert len(set(logits.argmax(-1).ravel())) > 2


def test_batch_normalisation_knows_the_statistics_of_what_it_gets():
    model, data = mobilenetv2(3, size=32), images(3, 32)
    weights = weights_of(model)
    outputs = np.concatenate([values for (values,) in run(model, data, "features.0.conv")])
    mean, variance = (weights[f"features.0.bn.running_{what}"] for what in ("mean", "var"))
    np.testing.assert_allclose(mean, outputs.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(variance, outputs.var((0, 2, 3)), rtol=1e-3)


def test_the_transformer_computes_what_the_paper_says():
    length, width, heads = 6, 8, 2
    model = transformer(5, length=length, width=width, heads=heads, hidden=16, depth=1)
    data = np.random.default_rng(0).standard_normal((1, length, width)).astype(np.float32)
    weights = {name: array.astype(float) for name, array in weights_of(model).items()}

    def linear(name, x):
        return x @ weights[f"layer0.{name}.weight"] + weights[f"layer0.{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = data[0].astype(float)
    query, key, value = (linear(f"attention.{role}", x) for role in ("query", "key", "value"))
    mixed = []
    for part in np.split(np.arange(width), heads):
        scores = np.exp(query[:, part] @ key[:, part].T / np.sqrt(width / heads))
        mixed.append(scores / scores.sum(-1, keepdims=True) @ value[:, part])
    x = norm("layer0.norm1", x + linear("attention.output", np.concatenate(mixed, -1)))
    hidden = linear("fc1", x)
    gelu = hidden / 2 * (1 + np.vectorize(erf)(hidden / np.sqrt(2)))
    expected = norm("encoded", x + linear("fc2", gelu))
    np.testing.assert_allclose(run(model, data, "encoded")[0][0][0], expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_calibration_data_fit_are_seeded_and_smooth(name):
    samples = calibration(name, seed=4, samples=3)
    (data,) = NETWORKS[name](None).graph.input
    shape = tuple(axis.dim_value for axis in data.type.tensor_type.shape.dim)
    assert [sample["data"].shape for sample in samples] == [shape] * 3
    assert all(sample["data"].dtype == np.float32 for sample in samples)
    again, other = calibration(name, seed=4, samples=3), calibration(name, seed=5, samples=3)
    assert np.array_equal(samples[2]["data"], again[2]["data"])
    assert not np.array_equal(samples[2]["data"], other[2]["data"])
    rows = samples[0]["data"].swapaxes(-1, -2).reshape(-1, shape[-2])
    assert np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1] > 0.6


def test_a_quantised_network_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    said = []
    first = quantised("transformer", samples=2, progress=lambda what, done, total: said.append(what))
    assert {node.op_type for node in first.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert said
    said.clear()
    assert quantised("transformer", samples=2, progress=lambda *_: said.append("made")) == first
    assert not said
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    kept.write_bytes(kept.read_bytes()[:-1])
    assert quantised("transformer", samples=2) == first


def test_what_is_missing_is_said_in_a_line():
    with pytest.raises(
        NetworkError, match="^no network 'vgg'; there are resnet18, resnet50, mobilenetv2, transformer$"
    ):
        network("vgg")
    with pytest.raises(NetworkError, match="no network"):
        quantised_function("vgg")
    with pytest.raises(
        NetworkError, match=r"^no_such_package is needed to make networks: pip install 'dovetail\[models\]'$"
    ):
        require("no_such_package")
    with pytest.raises(NetworkError, match="^3 heads cannot share a width of 128: it must be a multiple$"):
        transformer(heads=3)
