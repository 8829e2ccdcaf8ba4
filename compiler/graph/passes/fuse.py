"""Quantised operators in one: bounds as part of what comes before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.movement import Reshape, Transpose
from dovetail.compiler.graph.ops.quantised import QAdd, QAvgPool2d, QConv2d, QMatmul, QRescale
from dovetail.compiler.ops.scales import Output

from .rewriting import Rewriter


def fuse(graph: Graph) -> Graph:
    """Activations in int8 done by the operator before them, on the way out of the accumulators: no result changes."""
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not (_bounded(rewriter, node) or _rescaled(rewriter, node)):
            rewriter.keep(node)
    return rewriter.finish()


def _bounds(op: Op) -> tuple[int, int] | None:
    """The bounds, where the operator does nothing but keep within them."""
    if isinstance(op, QRescale) and op == QRescale(output=Output(bounds=op.output.bounds)):
        return op.output.bounds
    return None


def _rescaled(rewriter: Rewriter, node: Node) -> bool:
    """Bounds before another scale are bounds after it."""
    source = rewriter.producers.get(rewriter.current(node.inputs[0])) if isinstance(node.op, QRescale) else None
    bounds = None if source is None or not rewriter.private(node.inputs[0]) else _bounds(source.op)
    if source is None or bounds is None or not isinstance(node.op, QRescale):
        return False
    low, high = node.op.evaluate(np.array(bounds, np.int8)).tolist()
    bounded = replace(node.op, output=replace(node.op.output, bounds=(low, high)))
    rewriter.emit(bounded, source.inputs, node.output, source.origin + node.origin)
    return True


def _bounded(rewriter: Rewriter, node: Node) -> bool:
    bounds = _bounds(node.op)
    source = rewriter.producers.get(rewriter.current(node.inputs[0])) if bounds is not None else None
    if source is None or bounds is None or not rewriter.private(node.inputs[0]):
        return False
    op = source.op
    if isinstance(op, (Reshape, Transpose)):
        # What moves elements is done behind the bounds instead.
        inner = Value(rewriter.unique(f"{node.name}_moved"), source.inputs[0].type)
        if not _bounded(rewriter, replace(node, inputs=source.inputs, output=inner)):
            return False
        rewriter.emit(op, [inner], node.output, source.origin)
        return True
    if not isinstance(op, (QConv2d, QMatmul, QAdd, QAvgPool2d, QRescale)) or op.output is None:
        return False
    low, high = (min(max(bound, bounds[0]), bounds[1]) for bound in op.output.bounds)
    bounded = replace(op, output=replace(op.output, bounds=(low, high)))
    rewriter.emit(bounded, source.inputs, node.output, source.origin + node.origin)
    return True
