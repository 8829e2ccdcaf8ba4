"""Quantised operators apart: what a compiler without fusion makes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.ops.quantised import QAdd, QConv2d, QMatmul, QRescale, Requantise
from dovetail.compiler.ops.quantise import INT8
from dovetail.compiler.ops.scales import Output, Scale

from .rewriting import Rewriter


def unfuse(graph: Graph) -> Graph:
    """Sums, requantisation, addition of a residual and bounds as operators of their own, each through memory.

    A sum with a residual is rounded once more in between, to one or two steps of the result.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not _apart(rewriter, node):
            rewriter.keep(node)
    return rewriter.finish()


def _apart(rewriter: Rewriter, node: Node) -> bool:
    op = node.op
    if not isinstance(op, (QConv2d, QMatmul)) or op.output is None:
        return False
    name, output = node.name, op.output
    axis = 1 if isinstance(op, QConv2d) else node.output.type.rank - 1
    sums = rewriter.emit(replace(op, output=None, residual=None), node.inputs[:2], f"{name}_sums", node.origin)
    bounded, whole = output.bounds != INT8, replace(output, bounds=INT8)
    alone = whole if op.residual is None else _without_residual(output, op.residual)
    to = f"{name}_requantised" if bounded or op.residual is not None else node.output
    value = rewriter.emit(Requantise(axis=axis, output=alone), [sums, *node.inputs[2:5]], to, node.origin)
    if op.residual is not None:
        one = Scale(zero_point=alone.zero_point, multiplier=1 << alone.fraction)
        add = QAdd(one=one, other=op.residual, output=whole)
        to = f"{name}_sum" if bounded else node.output
        value = rewriter.emit(add, [value, node.inputs[5]], to, node.origin)
    if bounded:
        rewriter.emit(QRescale(output=Output(bounds=output.bounds)), [value], node.output, node.origin)
    return True


def _without_residual(output: Output, residual: Scale) -> Output:
    """An int8 form of the part that is not the residual, which saturates only where the sum with it does."""
    ratio = Fraction(residual.multiplier, 1 << (residual.shift + output.fraction))
    ends = sorted((bound - residual.zero_point) * ratio for bound in INT8)
    low = floor(output.bounds[0] - output.zero_point - ends[1])
    high = ceil(output.bounds[1] - output.zero_point - ends[0])
    doublings = 0
    while (high >> doublings) + 1 - (low >> doublings) > INT8[1] - INT8[0]:
        doublings += 1
    zero_point = min(max(INT8[0] - (low >> doublings), INT8[0]), INT8[1])
    return Output(fraction=output.fraction + doublings, zero_point=zero_point)
