"""Padding as part of the operator that slides a window over it."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.linear import Conv
from dovetail.compiler.graph.ops.movement import Pad
from dovetail.compiler.graph.ops.quantised import QConv2d

from .rewriting import Rewriter, infers


def fold_padding(graph: Graph) -> Graph:
    """Convolutions that pad by themselves what a Pad before them pads with what stands for 0: no result changes."""
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not _folded(rewriter, node):
            rewriter.keep(node)
    return rewriter.finish()


def _folded(rewriter: Rewriter, node: Node) -> bool:
    found = rewriter.producer(node.inputs[0], Pad) if node.inputs else None
    if found is None:
        return False
    source, pad = found
    op = _padding(node.op, pad)
    operands = [rewriter.current(value) for value in (source.inputs[0], *node.inputs[1:])]
    if op is None or infers(op, *operands) != node.output.type:
        return False
    rewriter.emit(op, operands, node.output, source.origin + node.origin)
    return True


def _padding(op: Op, pad: Pad) -> Op | None:
    """`op` with the padding too; None where it cannot."""
    sides = (*pad.before, *pad.after)
    if pad.mode != "constant" or any(pad.before[:2]) or any(pad.after[:2]) or min(sides, default=0) < 0:
        return None
    begin, end = pad.before[2:], pad.after[2:]
    match op:
        case Conv() if pad.value == 0:
            return replace(op, pads_begin=_sum(op.pads_begin, begin), pads_end=_sum(op.pads_end, end))
        case QConv2d() if pad.value == op.zero_point:
            top, left, bottom, right = _sum(op.pads, begin + end)
            return replace(op, pads=(top, left, bottom, right))
        case _:
            return None


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))
