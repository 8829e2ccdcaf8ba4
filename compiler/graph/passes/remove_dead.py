"""What has no effect: unread nodes and constants, and operators that give what they are given."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.ops.elementwise import Cast
from dovetail.compiler.graph.ops.movement import Concat, Expand, Pad, Reshape, Slice, Tile, Transpose
from dovetail.compiler.graph.ops.quantised import QRescale
from dovetail.compiler.ops.scales import Output, Scale

from .rewriting import Rewriter


def remove_dead(graph: Graph) -> Graph:
    """The graph without nodes that nothing needs and without those that change nothing.

    Reshapes and transposes one behind the other become one. Inputs, parameters, and the names of outputs stay.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        combined = _combined(rewriter, node)
        if not _changes_nothing(combined):
            rewriter.emit(combined.op, combined.inputs, combined.output, combined.origin)
        elif node.output not in graph.outputs:
            rewriter.replace(node.output, combined.inputs[0])
        elif not rewriter.rename(combined.inputs[0], node.output):
            rewriter.keep(node)
    return rewriter.finish()


def _combined(rewriter: Rewriter, node: Node) -> Node:
    """The node with what its operand's node does as part of it, where one operator can do both."""
    source = rewriter.current(node.inputs[0]) if node.inputs else None
    before = rewriter.producers.get(source) if source is not None else None
    if before is None:
        return replace(node, inputs=tuple(map(rewriter.current, node.inputs)))
    origin = tuple(dict.fromkeys(before.origin + node.origin))
    match before.op, node.op:
        case Reshape(), Reshape():
            return replace(node, inputs=before.inputs, origin=origin)
        case Transpose(order=first), Transpose(order=second):
            order = tuple(first[axis] for axis in second)
            return replace(node, op=Transpose(order=order), inputs=before.inputs, origin=origin)
    return replace(node, inputs=tuple(map(rewriter.current, node.inputs)))


def _changes_nothing(node: Node) -> bool:
    if not node.inputs or node.inputs[0].type != node.output.type:
        return False
    match node.op:
        case Reshape() | Expand() | Cast():
            return True
        case Transpose(order=order):
            return order == tuple(range(len(order)))
        case Slice(starts=starts, steps=steps):
            return not any(starts) and all(step == 1 for step in steps)
        case Concat():
            return len(node.inputs) == 1
        case Pad() | Tile():
            return True
        case QRescale(scale=scale, output=output):
            return (scale, output) == (Scale(), Output())
        case _:
            return False
