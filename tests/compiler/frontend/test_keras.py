"""Keras models by way of ONNX: ONNX Runtime gives what Keras gives."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.frontend.keras import from_keras, keras_to_onnx
from dovetail.compiler.frontend.keras.layers.activations import FUNCTIONS
from dovetail.compiler.frontend.keras.reading import load_keras
from dovetail.compiler.frontend.keras.walk import UnsupportedLayers
from dovetail.compiler.frontend.onnx import from_onnx
from dovetail.compiler.graph.interpreter import outputs

keras = load_keras()
L = keras.layers

IMAGE = (9, 7, 4)


def randomised(model: Any, seed: int = 0) -> Any:
    """With weights that are not what layers begin with; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype == "float32":
            value = rng.standard_normal(variable.shape).astype(np.float32) * 0.5
            variable.assign(np.abs(value) + 0.1 if "variance" in variable.name else value)
    return model


def network(*layers: Any, shape: tuple[int, ...] = IMAGE, dtype: str = "float32") -> Any:
    return randomised(keras.Sequential([keras.Input(shape, dtype=dtype), *layers], name="network"))


def samples(model: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for one in model.inputs:
        shape = (1, *one.shape[1:])
        integers = rng.integers(0, 5, shape).astype(one.dtype)
        found.append(rng.standard_normal(shape).astype(np.float32) * 2 if one.dtype == "float32" else integers)
    return found


def run(proto: onnx.ModelProto, inputs: list[np.ndarray]) -> list[np.ndarray]:
    onnx.checker.check_model(proto, full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: array for one, array in zip(session.get_inputs(), inputs, strict=True)})


def same(model: Any, tolerance: float = 1e-4) -> onnx.ModelProto:
    """The converted model, after its outputs were compared with those of Keras."""
    proto = keras_to_onnx(model)
    inputs = samples(model)
    expected = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    expected = expected if isinstance(expected, list | tuple) else [expected]
    found = run(proto, inputs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=tolerance, atol=tolerance)
    graph, params = from_onnx(proto)
    own = outputs(graph.bind(params), {one.name: array for one, array in zip(proto.graph.input, inputs, strict=True)})
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=tolerance, atol=tolerance)
    return proto


def operators(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


IMAGES: dict[str, Callable[[], Any]] = {
    "conv": lambda: L.Conv2D(6, 3),
    "conv same, strides": lambda: L.Conv2D(6, (4, 3), strides=2, padding="same", activation="relu"),
    "conv dilated, groups": lambda: L.Conv2D(6, 3, dilation_rate=2, groups=2, padding="same", use_bias=False),
    "depthwise": lambda: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
    "separable": lambda: L.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2),
    "transposed valid": lambda: L.Conv2DTranspose(3, 3, strides=2),
    "transposed same": lambda: L.Conv2DTranspose(3, 4, strides=3, padding="same", activation="tanh"),
    "transposed, small kernel": lambda: L.Conv2DTranspose(3, 2, strides=3),
    "transposed, output padding": lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1),
    "batch normalisation": lambda: L.BatchNormalization(),
    "batch normalisation, plain": lambda: L.BatchNormalization(center=False, scale=False, axis=1),
    "layer normalisation": lambda: L.LayerNormalization(),
    "layer normalisation, axes": lambda: L.LayerNormalization(axis=[2, 3], center=False),
    "max pooling": lambda: L.MaxPooling2D(3, strides=2, padding="same"),
    "average pooling": lambda: L.AveragePooling2D((2, 3), strides=2, padding="same"),
    "global average": lambda: L.GlobalAveragePooling2D(),
    "global average, axes kept": lambda: L.GlobalAveragePooling2D(keepdims=True),
    "global maximum": lambda: L.GlobalMaxPooling2D(),
    "padding": lambda: L.ZeroPadding2D(((0, 1), (2, 3))),
    "cropping": lambda: L.Cropping2D(((1, 2), (0, 3))),
    "up-sampling": lambda: L.UpSampling2D((2, 3)),
    "up-sampling, bilinear": lambda: L.UpSampling2D(2, interpolation="bilinear"),
    "resizing": lambda: L.Resizing(13, 5),
    "flatten": lambda: L.Flatten(),
    "reshape": lambda: L.Reshape((7, -1, 2)),
    "permute": lambda: L.Permute((3, 1, 2)),
    "dropout": lambda: L.Dropout(0.5),
    "rescaling": lambda: L.Rescaling(1 / 127.5, offset=[-1.0, 0.0, 1.0, 2.0]),
    "normalization": lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 0.25, 2.0]),
    "dense": lambda: L.Dense(5, activation="softmax"),
    "relu, all parameters": lambda: L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5),
    "relu 6": lambda: L.ReLU(6.0),
    "relu with slope": lambda: L.ReLU(max_value=1.0, negative_slope=0.2),
    "leaky relu": lambda: L.LeakyReLU(),
    "elu": lambda: L.ELU(0.7),
    "prelu": lambda: L.PReLU(shared_axes=[1, 2]),
    "softmax": lambda: L.Softmax(axis=2),
}


@pytest.mark.parametrize("what", IMAGES)
def test_a_layer_on_images_gives_what_keras_gives(what: str) -> None:
    """Between two convolutions as well, where channels come first."""
    same(network(IMAGES[what]()))
    middle = keras.Sequential([keras.Input(IMAGE), L.Conv2D(4, 1), IMAGES[what]()])
    if len(middle.output_shape) == 4:
        middle.add(L.Conv2D(3, 1))
    same(randomised(middle))


VECTORS: dict[str, tuple[tuple[int, ...], Callable[[], list[Any]]]] = {
    "dense": ((6,), lambda: [L.Dense(5, use_bias=False), L.BatchNormalization(), L.Dense(3, activation=L.ReLU(2.0))]),
    "sequences": ((8, 6), lambda: [L.Conv1D(4, 3, padding="causal", dilation_rate=2), L.MaxPooling1D(2), L.Flatten()]),
    "separable": ((8, 6), lambda: [L.SeparableConv1D(4, 3, padding="same"), L.GlobalAveragePooling1D()]),
    "repetition": ((6,), lambda: [L.RepeatVector(3), L.UpSampling1D(2), L.ZeroPadding1D(1), L.Cropping1D((0, 2))]),
    "volumes": ((4, 5, 6, 2), lambda: [L.Conv3D(3, 2, padding="same"), L.AveragePooling3D(2)]),
}


@pytest.mark.parametrize("what", VECTORS)
def test_layers_of_other_ranks(what: str) -> None:
    shape, layers = VECTORS[what]
    same(network(*layers(), shape=shape))


def test_activation_functions_are_those_of_keras() -> None:
    x = keras.Input((3, 5, 4))
    first = L.Conv2D(4, 1)(x)
    same(randomised(keras.Model(x, [L.Activation(one)(first) for one in (*FUNCTIONS, "linear", "swish")])))


def test_merged_tensors_are_broadcast_as_keras_does() -> None:
    one, other, vector = keras.Input((5, 6, 4)), keras.Input((5, 6, 4)), keras.Input((4,))
    left, right = L.Conv2D(4, 3, padding="same")(one), L.Conv2D(4, 1)(other)
    kinds = (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum)
    outputs = [kind()([left, right, one]) for kind in kinds]
    outputs += [L.Subtract()([left, right]), L.Add()([left, vector]), L.Multiply()([vector, right])]
    outputs += [L.Concatenate()([left, right]), L.Concatenate(axis=1)([left, other]), L.Dot(1)([vector, vector])]
    outputs += [keras.ops.relu(left * 2.0 + 1.0 - right) / 3.0, 1.0 - left, left + vector]
    outputs.append(left * np.arange(4, dtype=np.float32))
    same(randomised(keras.Model([one, other, vector], outputs)))


def test_products_of_sequences() -> None:
    one, other = keras.Input((5, 3)), keras.Input((5, 4))
    same(keras.Model([one, other], [L.Dot((1, 1))([one, other]), L.Permute((2, 1))(one) @ other]))


def test_attention_and_embedding() -> None:
    words = keras.Input((6,), dtype="int32")
    x = L.Embedding(11, 8)(words)
    y = L.MultiHeadAttention(2, 3, value_dim=5)(x, x, use_causal_mask=True)
    x = L.LayerNormalization()(L.Add()([x, y]))
    y = L.MultiHeadAttention(2, 4, use_bias=False)(query=x, value=y)
    x = L.Dense(8, activation="gelu")(L.Add()([x, y]))
    same(randomised(keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x)))))


def test_nested_and_shared_models_have_names_of_their_own() -> None:
    inner = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(3, 3, padding="same", name="conv")], name="block")
    x = keras.Input((6, 6, 3), name="data")
    shared = L.Dense(4, name="shared")
    y = inner(inner(x))
    model = keras.Model({"data": x}, [shared(y), shared(x)], name="outer")
    proto = keras_to_onnx(randomised(model))
    array = np.random.default_rng(0).standard_normal((1, 6, 6, 3)).astype(np.float32)
    for found, expected in zip(run(proto, [array]), model({"data": array}), strict=True):
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-4, atol=1e-4)
    assert [one.name for one in proto.graph.input] == ["data"]
    assert {"block/conv/kernel", "block/conv/bias", "shared/kernel", "shared/bias"} == {
        one.name for one in proto.graph.initializer if one.data_type == onnx.TensorProto.FLOAT
    }
    assert "block/conv" in {name for node in proto.graph.node for name in node.output}


def residual_network() -> Any:
    x = keras.Input((17, 17, 3), name="image")
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, strides=2)(L.ZeroPadding2D(1)(x))))
    z = L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    z = L.Conv2D(8, 1)(L.ReLU(6.0)(L.BatchNormalization()(z)))
    y = L.Activation("relu")(L.Add()([y, z]))
    gate = L.Conv2D(8, 1, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(y))
    y = L.MaxPooling2D(2)(L.Multiply()([y, gate]))
    return randomised(keras.Model(x, L.Dense(5, name="classes")(L.GlobalAveragePooling2D()(y)), name="residual"))


def test_transposes_are_at_the_edges_only_and_padding_is_in_the_convolution() -> None:
    proto = same(residual_network())
    assert operators(proto).count("Transpose") == 1
    assert "Pad" not in operators(proto)
    conv = next(node for node in proto.graph.node if node.op_type == "Conv")
    assert onnx.helper.get_node_attr_value(conv, "pads") == [1, 1, 1, 1]


def test_zeros_around_a_maximum_are_its_padding_only_where_nothing_is_below_0() -> None:
    after_relu = [L.Activation("relu"), L.ZeroPadding2D(1), L.MaxPooling2D(3, strides=2)]
    assert "Pad" not in operators(same(network(L.Conv2D(4, 3), *after_relu)))
    assert "Pad" in operators(same(network(L.Conv2D(4, 3), *after_relu[1:])))
    assert "Pad" in operators(same(network(L.Conv2D(4, 3), after_relu[0], L.ZeroPadding2D(3), L.MaxPooling2D(2))))


def test_the_graph_computes_what_keras_computes() -> None:
    model = residual_network()
    graph, params = from_keras(model, name="mine")
    image = samples(model)[0]
    found = outputs(graph.bind(params), {"image": image})[0]
    np.testing.assert_allclose(found, np.asarray(model(image)), rtol=1e-4, atol=1e-4)


def test_a_file_is_read_and_leaves_keras_as_it_was(tmp_path: Path) -> None:
    model = residual_network()
    model.save(tmp_path / "model.keras")
    image = samples(model)[0]
    found = run(keras_to_onnx(tmp_path / "model.keras"), [image])[0]
    np.testing.assert_allclose(found, np.asarray(model(image)), rtol=1e-4, atol=1e-4)


def test_open_extents_need_a_shape() -> None:
    model = randomised(keras.Sequential([keras.Input((None, None, 3), name="x"), L.Conv2D(2, 3), L.Flatten()]))
    with pytest.raises(FrontendError, match=r"input x of .* has the open shape \[None, None, None, 3\]"):
        keras_to_onnx(model)
    proto = keras_to_onnx(model, shapes={"x": (2, 5, 6, 3)})
    image = np.random.default_rng(0).standard_normal((2, 5, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(run(proto, [image])[0], np.asarray(model(image)), rtol=1e-4, atol=1e-4)
    with pytest.raises(FrontendError, match=r"which \[1, 5, 6, 4\] does not fit"):
        keras_to_onnx(model, shapes={"x": (1, 5, 6, 4)})


class Doubling(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2


def test_all_unsupported_layers_are_named_at_once() -> None:
    x = keras.Input((8, 4), name="x")
    y = L.Embedding(3, 4, mask_zero=True, name="words")(keras.Input((8,), name="ids"))
    y = L.LSTM(4, return_sequences=True, name="memory")(L.Add()([x, y]))
    y = Doubling(name="mine")(y)
    y = L.GRU(4, name="gated")(L.Dense(4, activation="sparsemax", name="sparse")(y))
    model = keras.Model(keras.utils.get_source_inputs(y), y, name="net")
    with pytest.raises(UnsupportedLayers) as error:
        keras_to_onnx(model)
    assert {(one.node, one.op) for one in error.value.problems} >= {
        ("words", "Embedding"),
        ("memory", "LSTM"),
        ("mine", "Doubling"),
        ("gated", "GRU"),
    }
    message = str(error.value)
    assert "\n" not in message
    assert "Embedding (words): masks zeros (mask_zero), and masks are not supported" in message
    assert "Doubling (mine): is a class of its own" in message
    assert "supported layers: Activation, ActivityRegularization, Add" in message


def test_models_without_a_graph_are_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(FrontendError, match="whose graph cannot be read"):
        keras_to_onnx(Own(name="own"))
    with pytest.raises(FrontendError, match="no known input shape"):
        keras_to_onnx(keras.Sequential([L.Dense(3)]))
    with pytest.raises(FrontendError, match="is a int, whose graph cannot be read"):
        keras_to_onnx(3)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(FrontendError, match=r"pip install dovetail\[models\] installs it"):
        keras_to_onnx("model.keras")


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a file with another configuration."""
    target = path.with_name("rewritten.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            copy.writestr(name, content)
    return target


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network(L.Dense(3, name="dense"), shape=(4,)).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_damaged_files_are_one_line(saved: Path) -> None:
    content = saved.read_bytes()
    middle = content.index(b"config.json") + 40
    for damaged in (
        b"",
        b"PK\x03\x04",
        content[: len(content) // 2],
        content[:middle] + b"@@@@" + content[middle + 4 :],
    ):
        saved.write_bytes(damaged)
        with pytest.raises(FrontendError) as error:
            keras_to_onnx(saved)
        assert "model.keras" in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(FrontendError, match="there is no such file"):
        keras_to_onnx(saved.with_name("none.keras"))
    with pytest.raises(FrontendError, match="is not a .keras file"):
        keras_to_onnx(saved.with_name("model.h5"))


def layer_config(config: dict[str, Any]) -> dict[str, Any]:
    return config["config"]["layers"][1]


def test_code_in_files_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    def own(config: dict[str, Any]) -> None:
        layer_config(config).update(module="subprocess", class_name="Popen", registered_name="Popen")

    with pytest.raises(FrontendError, match=r"holds code or classes of its own, which are not run: .*subprocess.Popen"):
        keras_to_onnx(rewritten(saved, own))
    model = keras.Sequential([keras.Input((3,)), L.Lambda(lambda x: x + 1, name="sneaky")])
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(FrontendError, match=r"sneaky \(Lambda\)"):
        keras_to_onnx(tmp_path / "lambda.keras")


def test_weights_beyond_those_of_the_file_are_never_allocated(saved: Path) -> None:
    def large(config: dict[str, Any]) -> None:
        layer_config(config)["config"]["units"] = 10**12

    with pytest.raises(FrontendError, match="declares 5000000000000 weights, more than its"):
        keras_to_onnx(rewritten(saved, large))


def test_configurations_that_make_no_sense_are_one_line(saved: Path) -> None:
    def nonsense(config: dict[str, Any]) -> None:
        layer_config(config)["config"]["units"] = {"a": [None]}

    def deep(config: dict[str, Any]) -> None:
        config["config"]["layers"] = {"class_name": "Sequential"}

    for change in (nonsense, deep):
        with pytest.raises(FrontendError, match="cannot be loaded") as error:
            keras_to_onnx(rewritten(saved, change))
        assert "\n" not in str(error.value)
