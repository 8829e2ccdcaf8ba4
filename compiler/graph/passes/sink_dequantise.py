"""Operators that only move elements, or choose among them, before Dequantize instead of behind it."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.elementwise import Unary
from dovetail.compiler.graph.ops.movement import Concat, Expand, Gather, Pad, Reshape, Slice, Tile, Transpose
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import Dequantize, QRescale
from dovetail.compiler.ops.quantise import INT8
from dovetail.compiler.ops.scales import Output

from .affine import Quantised, dequantised
from .quantised_pooling import max_pool
from .rewriting import Rewriter


def sink_dequantise(graph: Graph) -> Graph:
    """Dequantize behind what does the same to int8 as to the numbers that it stands for: no result changes.

    These are movements, maximum pooling and relu, and for constants with a scale a channel Transpose and Reshape.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not (_sink(rewriter, node) or _sink_constant(rewriter, node)):
            rewriter.keep(node)
    return rewriter.finish()


def _sink(rewriter: Rewriter, node: Node) -> bool:
    of = range(1) if isinstance(node.op, Gather) else range(len(node.inputs))
    found = [dequantised(rewriter, node.inputs[at]) for at in of]
    sources = [source for source in found if source is not None]
    if not sources or len(sources) < len(found) or any(one.affine != sources[0].affine for one in sources):
        return False
    op = _on_int8(node, sources[0])
    if op is None:
        return False
    _move(rewriter, node, op, [source.value for source in sources] + list(node.inputs[len(sources) :]))
    return True


def _move(rewriter: Rewriter, node: Node, op: Op, inputs: list[Value], axis: int | None = None) -> None:
    found = rewriter.producer(node.inputs[0], Dequantize)
    assert found is not None
    moved = rewriter.emit(op, inputs, f"{node.name}_{inputs[0].type.dtype}", node.origin)
    rewriter.emit(replace(found[1], axis=axis), [moved, *found[0].inputs[1:]], node.output, found[0].origin)


def _on_int8(node: Node, source: Quantised) -> Op | None:
    op, zero = node.op, source.affine.zero_point
    match op:
        case Reshape() | Transpose() | Concat() | Expand() | Gather() | Slice() | Tile():
            return op
        case Pad(mode="constant"):
            return replace(op, value=zero) if op.value == 0 else None
        case Pad():
            return op
        case Unary(function="relu"):
            return QRescale(output=Output(bounds=(zero, INT8[1])))
        case Pool(function="max"):
            return max_pool(op, source.value, node)
        case _:
            return None


def _sink_constant(rewriter: Rewriter, node: Node) -> bool:
    """Dequantize of a constant, with a scale for each index on an axis or of another type than int8."""
    found = rewriter.producer(node.inputs[0], Dequantize) if node.inputs else None
    if found is None or rewriter.contents(found[0].inputs[0]) is None:
        return False
    axis, shape = found[1].axis, node.inputs[0].type.shape
    match node.op:
        case Transpose(order=order):
            to = None if axis is None else order.index(axis)
        case Reshape():
            to = None if axis is None else _same_axis(shape, axis, node.output.type.shape)
            if axis is not None and to is None:
                return False
        case _:
            return False
    _move(rewriter, node, node.op, [found[0].inputs[0]], to)
    return True


def _same_axis(shape: tuple[int, ...], axis: int, result: tuple[int, ...]) -> int | None:
    """The axis of `result` whose index is that of `axis` for each element; None if there is none."""
    for at, extent in enumerate(result):
        if extent == shape[axis] and prod(result[:at]) == prod(shape[:axis]):
            return at
    return None
