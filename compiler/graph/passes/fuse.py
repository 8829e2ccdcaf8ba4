"""Quantised operators in one: bounds as part of what comes before them."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.ops.quantised import QAdd, QAvgPool2d, QConv2d, QMatmul, QRescale
from dovetail.compiler.ops.elementwise import Output

from .rewriting import Rewriter


def fuse(graph: Graph) -> Graph:
    """Activations in int8 done by the operator before them, on the way out of the accumulators: no result changes."""
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not _bounded(rewriter, node):
            rewriter.keep(node)
    return rewriter.finish()


def _bounded(rewriter: Rewriter, node: Node) -> bool:
    if not isinstance(node.op, QRescale) or node.op != QRescale(output=Output(bounds=node.op.output.bounds)):
        return False
    source = rewriter.producers.get(rewriter.current(node.inputs[0]))
    if source is None or not rewriter.private(node.inputs[0]):
        return False
    op, (low, high) = source.op, node.op.output.bounds
    if not isinstance(op, (QConv2d, QMatmul, QAdd, QAvgPool2d, QRescale)) or op.output is None:
        return False
    least, most = (min(max(bound, low), high) for bound in op.output.bounds)
    bounded = replace(op, output=replace(op.output, bounds=(least, most)))
    rewriter.emit(bounded, source.inputs, node.output, source.origin + node.origin)
    return True
