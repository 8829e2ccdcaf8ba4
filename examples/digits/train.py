"""Trains the network for digits and writes it to digits.onnx beside this file: a minute or two on two cores.

From the root of the repository:

    pip install jax
    python -m examples.digits.train

The ONNX model is what is trained: its nodes are executed in JAX, and its weights changed. Each epoch sees every image
for training once, moved by at most a pixel; images for testing are used for the figure at the end only. Seeds are
fixed, so that the same versions of NumPy, scikit-learn and JAX give the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.helper import get_node_attr_value

from examples.digits.data import split
from examples.digits.network import network

MODEL = Path(__file__).with_name("digits.onnx")
SEED = 0
EPOCHS = 120
BATCH = 32
RATE = 2e-3
DECAY = 0.02
SMOOTHING = 0.1
"""Share of the target that is spread over all digits."""
MOMENTUM = 0.9
BETAS = (0.9, 0.999)

Weights = dict[str, Any]
STATISTICS = (".running_mean", ".running_var")


def forward(model: onnx.ModelProto, weights: Weights, data: Any, training: bool) -> tuple[Any, Weights]:
    """What the model gives for `data`, and the statistics of batch normalisation after it."""
    values = {**weights, "data": data}
    statistics = {}
    for node in model.graph.node:
        x, *rest = (values[name] for name in node.input)
        match node.op_type:
            case "Conv":
                top, left, bottom, right = get_node_attr_value(node, "pads")
                strides = get_node_attr_value(node, "strides")
                result = jax.lax.conv_general_dilated(x, rest[0], strides, ((top, bottom), (left, right)))
            case "BatchNormalization":
                factor, offset, mean, variance = rest
                if training:
                    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
                    for name, measured in zip(node.input[3:], (mean, variance), strict=True):
                        statistics[name] = MOMENTUM * weights[name] + (1 - MOMENTUM) * measured
                scale = factor / jnp.sqrt(variance + get_node_attr_value(node, "epsilon"))
                result = x * scale[:, None, None] + (offset - mean * scale)[:, None, None]
            case "Relu":
                result = jax.nn.relu(x)
            case "Add":
                result = x + rest[0]
            case "GlobalAveragePool":
                result = x.mean((2, 3), keepdims=True)
            case "Flatten":
                result = x.reshape(x.shape[0], -1)
            case "Gemm":
                result = x @ rest[0].T + rest[1]
            case other:
                raise ValueError(f"{other} is no operator of the network that is trained here")
        values[node.output[0]] = result
    return values["logits"], statistics


def loss(model: onnx.ModelProto, weights: Weights, fixed: Weights, data: Any, labels: Any) -> tuple[Any, Weights]:
    """Cross entropy with smoothed labels."""
    logits, statistics = forward(model, weights | fixed, data, training=True)
    classes = logits.shape[-1]
    target = jax.nn.one_hot(labels, classes) * (1 - SMOOTHING) + SMOOTHING / classes
    return -(target * jax.nn.log_softmax(logits)).sum(-1).mean(), statistics


def train(model: onnx.ModelProto) -> Mapping[str, NDArray[np.float32]]:
    """The weights after training with AdamW, its rate falling as a cosine."""
    images, labels = (array for array in vars(split()[0]).values())
    arrays = {tensor.name: jnp.asarray(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    fixed = {name: array for name, array in arrays.items() if name.endswith(STATISTICS)}
    weights = {name: array for name, array in arrays.items() if name not in fixed}
    gradients = jax.value_and_grad(partial(loss, model), has_aux=True)
    batches = len(images) // BATCH
    steps = EPOCHS * batches

    @jax.jit
    def step(weights: Weights, fixed: Weights, moments: Any, number: Any, data: Any, labels: Any) -> Any:
        (value, fixed), slope = gradients(weights, fixed, data, labels)
        first = jax.tree.map(lambda moment, new: BETAS[0] * moment + (1 - BETAS[0]) * new, moments[0], slope)
        second = jax.tree.map(lambda moment, new: BETAS[1] * moment + (1 - BETAS[1]) * new**2, moments[1], slope)
        rate = RATE * (1 + jnp.cos(jnp.pi * number / steps)) / 2
        even = jnp.sqrt(1 - BETAS[1] ** (number + 1)) / (1 - BETAS[0] ** (number + 1))
        weights = jax.tree.map(
            lambda weight, m, v: weight - rate * (even * m / (jnp.sqrt(v) + 1e-8) + DECAY * weight),
            weights,
            first,
            second,
        )
        return weights, fixed, (first, second), value

    random = np.random.default_rng(SEED)
    moments = (jax.tree.map(jnp.zeros_like, weights),) * 2
    for epoch in range(EPOCHS):
        order = random.permutation(len(images))
        for batch in range(batches):
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            data = moved(images[chosen], random)
            number = epoch * batches + batch
            weights, fixed, moments, value = step(weights, fixed, moments, number, data, labels[chosen])
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {value:.4f}", flush=True)
    return {name: np.asarray(array) for name, array in (weights | fixed).items()}


def moved(images: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Each image a pixel up or down, left or right, or where it was."""
    result = np.empty_like(images)
    for image, copy, (down, right) in zip(images, result, random.integers(0, 3, (len(images), 2)), strict=True):
        padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
        copy[:] = padded[:, down : down + 8, right : right + 8]
    return result


def main() -> None:
    model = network(SEED)
    weights = train(model)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, MODEL)
    test = split()[1]
    logits, _ = forward(model, dict(weights), test.images, training=False)
    right = int((np.asarray(logits).argmax(1) == test.labels).sum())
    print(f"{MODEL.name}: {right} of {len(test.labels)} images for testing are right ({right / len(test.labels):.2%})")


if __name__ == "__main__":
    main()
