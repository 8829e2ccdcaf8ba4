"""A transformer's encoder: Vaswani et al., Attention Is All You Need (2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import NetworkError
from .layers import FLOAT, Layers

if TYPE_CHECKING:
    import onnx

LENGTH, WIDTH, HEADS, HIDDEN, DEPTH = 64, 128, 4, 512, 2


def transformer(
    seed: int | None = 0,
    *,
    batch: int = 1,
    length: int = LENGTH,
    width: int = WIDTH,
    heads: int = HEADS,
    hidden: int = HIDDEN,
    depth: int = DEPTH,
) -> onnx.ModelProto:
    """An encoder of `depth` layers with GELU, normalised after each addition as in the paper.

    Parameters
    ----------
    seed:
        Of the weights; None makes them all 0.
    length, width:
        The input is "data" [batch, length, width], embedded already; the output "encoded" has its shape.
    hidden:
        Features between the two fully connected layers.

    Raises
    ------
    NetworkError:
        onnx is not installed, or `width` is no multiple of `heads`.
    """
    if width % heads:
        raise NetworkError(f"{heads} heads cannot share a width of {width}: it must be a multiple")
    net = Layers("transformer", seed)
    x = net.input("data", (batch, length, width))
    for index in range(depth):
        name = f"layer{index}"
        y = _attention(net, f"{name}.attention", x, heads)
        x = _norm(net, f"{name}.norm1", net.add(f"{name}.add1", x, y))
        y = net.linear(f"{name}.fc2", _gelu(net, f"{name}.gelu", net.linear(f"{name}.fc1", x, hidden)), width)
        x = _norm(net, "encoded" if index == depth - 1 else f"{name}.norm2", net.add(f"{name}.add2", x, y))
    return net.model(x)


def _attention(net: Layers, name: str, x: str, heads: int) -> str:
    """Each head's soft-max of query by key, scaled, by value; then a projection."""
    batch, length, width = net.shape(x)
    depth = width // heads
    split = net.constant(f"{name}.split", np.array([batch, length, heads, depth], np.int64))
    joined = net.constant(f"{name}.join", np.array([batch, length, width], np.int64))
    scale = net.constant(f"{name}.scale", np.array(depth**-0.5, FLOAT))

    def projected(role: str, order: tuple[int, ...]) -> str:
        y = net.linear(f"{name}.{role}", x, width)
        y = net.node("Reshape", f"{name}.{role}.heads", [y, split], (batch, length, heads, depth))
        shape = tuple(net.shape(y)[axis] for axis in order)
        return net.node("Transpose", f"{name}.{role}.transposed", [y], shape, perm=list(order))

    query, value = projected("query", (0, 2, 1, 3)), projected("value", (0, 2, 1, 3))
    key = projected("key", (0, 2, 3, 1))
    scores = net.node("MatMul", f"{name}.scores", [query, key], (batch, heads, length, length))
    scores = net.node("Mul", f"{name}.scaled", [scores, scale])
    weights = net.node("Softmax", f"{name}.weights", [scores], axis=-1)
    mixed = net.node("MatMul", f"{name}.mixed", [weights, value], (batch, heads, length, depth))
    mixed = net.node("Transpose", f"{name}.mixed.transposed", [mixed], (batch, length, heads, depth), perm=[0, 2, 1, 3])
    mixed = net.node("Reshape", f"{name}.mixed.joined", [mixed, joined], (batch, length, width))
    return net.linear(f"{name}.output", mixed, width)


def _norm(net: Layers, name: str, x: str) -> str:
    features = net.shape(x)[-1:]
    operands = [net.random(f"{name}.weight", features, 1.0, 0.1), net.random(f"{name}.bias", features, 0.0, 0.1)]
    return net.node("LayerNormalization", name, [x, *operands], axis=-1, epsilon=1e-5)


def _gelu(net: Layers, name: str, x: str) -> str:
    """x / 2 * (1 + erf(x / sqrt 2)), in the nodes that exporters write for it."""
    root, one, half = (
        net.constant(f"{name}.{what}", np.array(number, FLOAT))
        for what, number in (("root", 2**0.5), ("one", 1.0), ("half", 0.5))
    )
    error = net.node("Erf", f"{name}.erf", [net.node("Div", f"{name}.div", [x, root])])
    product = net.node("Mul", f"{name}.product", [x, net.node("Add", f"{name}.sum", [error, one])])
    return net.node("Mul", name, [product, half])
