"""Factors and offsets of channels as part of the weights and the bias before them."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.elementwise import Binary
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.types import Array

from .rewriting import Rewriter, is_per_channel


def fold_batch_norm(graph: Graph) -> Graph:
    """Convolutions and products with constant weights that do what the factors and offsets behind them do.

    Batch normalization arrives as a factor and an offset a channel. A product has no bias: its offset stays an
    addition, with the factors behind it in it.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        step = _step(rewriter, node)
        if step is None or not _folded(rewriter, node, *step):
            rewriter.keep(node)
    return rewriter.finish()


def _step(rewriter: Rewriter, node: Node) -> tuple[Value, Array | None, Array | None] | None:
    """What the node multiplies and adds to, the factor and the offset."""
    if not isinstance(node.op, Binary) or node.output.type.dtype != "float32":
        return None
    function, (one, other) = node.op.function, node.inputs
    left, right = rewriter.contents(one), rewriter.contents(other)
    if (left is None) == (right is None):
        return None
    if right is not None:
        match function:
            case "mul":
                return one, right, None
            case "div":
                with np.errstate(divide="ignore"):
                    return one, 1 / right.astype(np.float64), None
            case "add" | "sub":
                return one, None, right if function == "add" else -right
    elif left is not None:
        match function:
            case "mul":
                return other, left, None
            case "add" | "sub":
                return other, np.array(-1.0) if function == "sub" else None, left
    return None


def _folded(rewriter: Rewriter, node: Node, value: Value, factor: Array | None, offset: Array | None) -> bool:
    source = rewriter.producers.get(rewriter.current(value))
    if source is None or not rewriter.private(value) or value.type.shape != node.output.type.shape:
        return False
    shape, origin = node.output.type.shape, source.origin + node.origin
    axis = 1 if isinstance(source.op, Conv) else len(shape) - 1
    steps = [part for part in (factor, offset) if part is not None]
    if axis < 0 or not all(is_per_channel(part.shape, shape, axis) and np.isfinite(part).all() for part in steps):
        return False
    factors = _channels(factor, shape[axis], 1.0)
    match source.op:
        case Conv():
            weight = rewriter.contents(source.inputs[1])
            bias = rewriter.contents(source.inputs[2]) if len(source.inputs) > 2 else np.zeros(shape[axis], np.float32)
            if weight is None or bias is None:
                return False
            scaled = weight * factors.reshape(-1, *[1] * (weight.ndim - 1))
            moved = bias * factors + _channels(offset, shape[axis], 0.0)
            inputs = [
                source.inputs[0],
                rewriter.constant(scaled.astype(np.float32), source.inputs[1].name),
                rewriter.constant(moved.astype(np.float32), f"{node.name}_bias"),
            ]
            rewriter.emit(source.op, inputs, node.output, origin)
            return True
        case MatMul() if offset is None:
            product = _scaled(rewriter, source, factors)
            if product is not None:
                rewriter.emit(source.op, product, node.output, origin)
            return product is not None
        case Binary(function="add") if offset is None:
            return _through_sum(rewriter, source, node, factors)
        case _:
            return False


def _scaled(rewriter: Rewriter, product: Node, factors: Array) -> list[Value] | None:
    """Operands of a product whose columns have the factors in them."""
    weight = rewriter.contents(product.inputs[1])
    if weight is None or weight.ndim != 2:
        return None
    scaled = (weight * factors).astype(np.float32)
    return [product.inputs[0], rewriter.constant(scaled, product.inputs[1].name)]


def _through_sum(rewriter: Rewriter, total: Node, node: Node, factors: Array) -> bool:
    """Factors behind a product and an offset."""
    for value, other in (total.inputs, total.inputs[::-1]):
        found, offset = rewriter.producer(value, MatMul), rewriter.contents(other)
        if found is None or offset is None or not rewriter.private(found[0].output):
            continue
        product, shape = found[0], node.output.type.shape
        inputs = _scaled(rewriter, product, factors)
        if inputs is None or value.type.shape != shape or not is_per_channel(offset.shape, shape, len(shape) - 1):
            continue
        scaled = rewriter.emit(product.op, inputs, f"{product.name}_scaled", product.origin)
        moved = rewriter.constant((_channels(offset, shape[-1], 0.0) * factors).astype(np.float32), other.name)
        rewriter.emit(total.op, [scaled, moved], node.output, total.origin + node.origin)
        return True
    return False


def _channels(part: Array | None, channels: int, default: float) -> Array:
    """A factor or an offset for each channel, float64."""
    whole = np.asarray(default if part is None else part, np.float64).reshape(-1)
    return np.broadcast_to(whole, (channels,))
