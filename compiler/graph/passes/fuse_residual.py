"""Sums of int8 as part of the convolution or product before them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.quantised import QAdd, QConv2d, QMatmul
from dovetail.compiler.ops.quantise import INT8
from dovetail.compiler.ops.scales import Output, Scale

from .affine import scaling
from .fixed_point import fixed_point, residual_point
from .rewriting import Rewriter


def fuse_residual(graph: Graph) -> Graph:
    """Convolutions and products that add what a sum of int8 behind them adds.

    The result is rounded once instead of twice and no longer saturates in between. It is within one step of what it
    was where nothing saturated there, but may be any number of steps from it where something did.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if not (isinstance(node.op, QAdd) and _added(rewriter, node, node.op)):
            rewriter.keep(node)
    return rewriter.finish()


def _added(rewriter: Rewriter, node: Node, op: QAdd) -> bool:
    places = {id(emitted): at for at, emitted in enumerate(rewriter.nodes)}
    sides = [
        (node.inputs[0], op.one, node.inputs[1], op.other),
        (node.inputs[1], op.other, node.inputs[0], op.one),
    ]
    # Of two candidates the later one: the other's result is there by then anyway.
    sides.sort(key=lambda side: -places.get(id(rewriter.producers.get(rewriter.current(side[0]))), -1))
    return any(_with_residual(rewriter, node, op.output, *side) for side in sides)


def _with_residual(
    rewriter: Rewriter, node: Node, output: Output, sums: Value, scale: Scale, added: Value, other: Scale
) -> bool:
    source = rewriter.producers.get(rewriter.current(sums))
    if source is None or not isinstance(source.op, (QConv2d, QMatmul)) or not rewriter.private(sums):
        return False
    first = source.op.output
    if first is None or source.op.residual is not None or first.bounds != INT8 or first.zero_point != scale.zero_point:
        return False
    units = 2**output.fraction
    point = residual_point(abs(_ratio(other)) / units)
    multipliers, shifts = (rewriter.contents(value) for value in source.inputs[3:5])
    if point is None or multipliers is None or shifts is None:
        return False
    fraction, multiplier, shift = point
    factor = _ratio(scale) / units / 2**first.fraction * 2**fraction
    points = [
        fixed_point(Fraction(int(one), 1 << int(by)) * factor)
        for one, by in zip(multipliers, shifts, strict=True)
        if factor > 0 and one >= 0
    ]
    found = [part for part in points if part is not None]
    if len(found) < multipliers.size:
        return False
    records = [
        rewriter.constant(np.array(part, np.int32), f"{node.name}_{what}")
        for what, part in zip(("multiplier", "shift"), zip(*found, strict=True), strict=True)
    ]
    op = replace(
        source.op,
        output=replace(output, fraction=fraction),
        residual=scaling(other.zero_point, (multiplier if other.multiplier >= 0 else -multiplier, shift)),
    )
    rewriter.emit(op, [*source.inputs[:3], *records, added], node.output, source.origin + node.origin)
    return True


def _ratio(scale: Scale) -> Fraction:
    return Fraction(scale.multiplier, 1 << scale.shift)
