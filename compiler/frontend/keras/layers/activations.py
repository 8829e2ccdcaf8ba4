"""Activation functions and their layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..registry import Call, Unsupported, inner, layer, operation
from ..writer import Tensor

Function = Callable[[Call, Tensor], str]


def _simple(op: str, **attributes: Any) -> Function:
    return lambda call, x: call.node(op, x.name, **attributes)


def _clip(low: float, high: float) -> Function:
    def clip(call: Call, x: Tensor) -> str:
        return call.node("Clip", x.name, call.constant(low, "low"), call.constant(high, "high"))

    return clip


def _along_last(op: str) -> Function:
    return lambda call, x: call.node(op, x.name, axis=x.axis(-1))


def _silu(call: Call, x: Tensor) -> str:
    return call.node("Mul", x.name, call.node("Sigmoid", x.name))


def _log_sigmoid(call: Call, x: Tensor) -> str:
    return call.node("Neg", call.node("Softplus", call.node("Neg", x.name)))


FUNCTIONS: dict[str, Function] = {
    "celu": _simple("Celu"),
    "elu": _simple("Elu"),
    "exponential": _simple("Exp"),
    "gelu": _simple("Gelu"),
    "hard_sigmoid": _simple("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _simple("HardSwish"),
    "hard_tanh": _clip(-1, 1),
    "leaky_relu": _simple("LeakyRelu", alpha=0.2),
    "log_sigmoid": _log_sigmoid,
    "log_softmax": _along_last("LogSoftmax"),
    "mish": _simple("Mish"),
    "relu": _simple("Relu"),
    "relu6": _clip(0, 6),
    "selu": _simple("Selu"),
    "sigmoid": _simple("Sigmoid"),
    "silu": _silu,
    "softmax": _along_last("Softmax"),
    "softplus": _simple("Softplus"),
    "softsign": _simple("Softsign"),
    "tanh": _simple("Tanh"),
}


def activated(call: Call, value: str, like: Tensor | None = None) -> Tensor:
    """`value` after the activation that the call's layer has."""
    return apply(call, call.layer.activation, call.result(value, like))


def apply(call: Call, function: Any, x: Tensor) -> Tensor:
    """`x` after an activation of Keras: a function, or a layer.

    Raises
    ------
    Unsupported:
        It is none of `FUNCTIONS`.
    """
    if function is None:
        return x
    if isinstance(function, call.keras.layers.Layer):
        return inner(call, function, x)
    name = getattr(function, "__name__", repr(function))
    if getattr(call.keras.activations, name, None) is not function:
        raise Unsupported(f"has an activation of its own, {name}; supported: {', '.join(FUNCTIONS)}")
    if name == "linear":
        return x
    if name not in FUNCTIONS:
        raise Unsupported(f"has the activation {name}; supported: {', '.join(FUNCTIONS)}")
    return Tensor(FUNCTIONS[name](call, x), x.shape, x.dtype, x.first)


@layer("Activation")
def activation(call: Call, x: Tensor) -> Tensor:
    return apply(call, call.layer.activation, x)


@layer("ReLU")
def relu(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    slope, threshold, most = float(one.negative_slope), float(one.threshold), one.max_value
    if threshold:
        edge = call.constant(threshold, "threshold")
        low = call.node("Mul", call.node("Sub", x.name, edge), call.constant(slope, "slope"))
        value = call.node("Where", call.node("Greater", x.name, edge), x.name, low)
    elif slope:
        value = call.node("LeakyRelu", x.name, alpha=slope)
    elif most is not None:
        return call.result(_clip(0, most)(call, x), x)
    else:
        value = call.node("Relu", x.name)
    if most is not None:
        value = call.node("Min", value, call.constant(most, "max_value"))
    return call.result(value, x)


@layer("LeakyReLU")
def leaky_relu(call: Call, x: Tensor) -> Tensor:
    return call.result(call.node("LeakyRelu", x.name, alpha=float(call.layer.negative_slope)), x)


@layer("ELU")
def elu(call: Call, x: Tensor) -> Tensor:
    return call.result(call.node("Elu", x.name, alpha=float(call.layer.alpha)), x)


@layer("PReLU")
def prelu(call: Call, x: Tensor) -> Tensor:
    slope = call.writer.aligned(call.weight("alpha"), x)
    return call.result(call.node("PRelu", x.name, call.constant(slope, "alpha")), x)


@layer("Softmax")
def softmax(call: Call, x: Tensor) -> Tensor:
    if len(call.inputs) > 1:
        raise Unsupported("has a mask; leave it out")
    axis = call.layer.axis
    axes = [axis] if isinstance(axis, int) else list(axis)
    if len(axes) != 1:
        raise Unsupported(f"is over the axes {axes}; give one")
    return call.result(call.node("Softmax", x.name, axis=x.axis(axes[0])), x)


OPERATIONS = {
    "Abs": "Abs",
    "Absolute": "Abs",
    "Exp": "Exp",
    "Log": "Log",
    "Negative": "Neg",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Sqrt": "Sqrt",
    "Tanh": "Tanh",
}


@operation(*OPERATIONS)
def function(call: Call, x: Tensor) -> Tensor:
    return call.result(call.node(OPERATIONS[type(call.layer).__name__], x.name), x)


@operation("Relu6")
def relu6(call: Call, x: Tensor) -> Tensor:
    return call.result(_clip(0, 6)(call, x), x)


@operation("Silu")
def silu(call: Call, x: Tensor) -> Tensor:
    return call.result(_silu(call, x), x)


@operation("Square")
def square(call: Call, x: Tensor) -> Tensor:
    return call.result(call.node("Mul", x.name, x.name), x)


@operation("Clip")
def clip(call: Call, x: Tensor) -> Tensor:
    bounds = (call.layer.x_min, call.layer.x_max)
    if not all(np.isscalar(bound) for bound in bounds):
        raise Unsupported("clips by tensors; give numbers")
    return call.result(_clip(*bounds)(call, x), x)
