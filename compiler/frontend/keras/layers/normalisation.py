"""Normalisation and rescaling."""

from __future__ import annotations

import numpy as np

from ..registry import Call, Unsupported, layer
from ..writer import Tensor


@layer("BatchNormalization")
def batch_normalization(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    axis = one.axis % x.rank
    if axis not in (1, x.rank - 1):
        raise Unsupported(f"normalises axis {one.axis} of {x.rank}; supported: 1 and -1")
    given = call.writer.first(x) if axis == x.rank - 1 else call.writer.last(x)
    mean, variance = call.weight("moving_mean"), call.weight("moving_variance")
    gamma = call.weight("gamma") if one.gamma is not None else np.ones_like(mean)
    beta = call.weight("beta") if one.beta is not None else np.zeros_like(mean)
    statistics = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    operands = [call.constant(array, name) for name, array in statistics.items()]
    return call.result(call.node("BatchNormalization", given.name, *operands, epsilon=float(one.epsilon)), given)


@layer("LayerNormalization")
def layer_normalization(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    axes = sorted(axis % x.rank for axis in ([one.axis] if isinstance(one.axis, int) else one.axis))
    if axes != list(range(axes[0], x.rank)):
        raise Unsupported(f"normalises the axes {axes} of {x.rank}; supported: the last ones")
    if getattr(one, "rms_scaling", False):
        raise Unsupported("has rms_scaling; supported: without")
    shape = tuple(x.shape[axis] for axis in axes)
    gamma = call.weight("gamma").reshape(shape) if one.gamma is not None else np.ones(shape)
    operands = [call.writer.last(x).name, call.constant(gamma, "gamma")]
    if one.beta is not None:
        operands.append(call.constant(call.weight("beta").reshape(shape), "beta"))
    return call.result(call.node("LayerNormalization", *operands, axis=axes[0], epsilon=float(one.epsilon)))


@layer("Rescaling", any_type=True)
def rescaling(call: Call, x: Tensor) -> Tensor:
    value = as_float(call, x)
    for op, name, neutral in (("Mul", "scale", 1), ("Add", "offset", 0)):
        number = np.asarray(getattr(call.layer, name), np.float32)
        if (number != neutral).any():
            value = call.node(op, value, call.constant(call.writer.aligned(number, x), name))
    return call.result(value, x)


@layer("Normalization", any_type=True)
def normalization(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    mean, variance = (call.writer.aligned(call.weight(name), x) for name in ("mean", "variance"))
    deviation = np.maximum(np.sqrt(variance), call.keras.config.epsilon())
    value = as_float(call, x)
    if one.invert:
        return call.result(
            call.node(
                "Add",
                call.node("Mul", value, call.constant(deviation, "deviation")),
                call.constant(mean, "mean"),
            ),
            x,
        )
    distance = call.node("Sub", value, call.constant(mean, "mean"))
    return call.result(call.node("Div", distance, call.constant(deviation, "deviation")), x)


@layer("LayerScale")
def layer_scale(call: Call, x: Tensor) -> Tensor:
    gamma = call.writer.aligned(call.weight("gamma"), x)
    return call.result(call.node("Mul", x.name, call.constant(gamma, "gamma")), x)


def as_float(call: Call, x: Tensor) -> str:
    """The value of `x` in float32."""
    return x.name if x.dtype == "float32" else call.node("Cast", x.name, to=1)
