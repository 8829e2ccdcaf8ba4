"""From Dequantize, operators on floats and Quantize to operators on int8 in the accelerator's arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf, isnan

import numpy as np

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.elementwise import Binary, Clip, Unary
from dovetail.compiler.graph.ops.movement import Concat
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import QAdd, QRescale, Quantize
from dovetail.compiler.ops.quantise import INT8
from dovetail.compiler.ops.scales import Output

from .affine import Goal, Quantised, affine, dequantised, scaling
from .fixed_point import fixed_point, residual_point
from .quantised_linear import linear
from .quantised_pooling import average, max_pool
from .rewriting import Rewriter


def recognise(graph: Graph) -> Graph:
    """Quantised operators wherever a pattern between Dequantize and Quantize is one; the rest stays as it is.

    Each takes the place and the name of the Quantize that ends its pattern. Ratios of scales are computed exactly and
    rounded once, to the bits that the accelerator has for them. A float that something else reads too is computed
    once and not recognised, but for single elements.
    """
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        match node.op:
            case Quantize() as op:
                done = _recognised(rewriter, node, op)
            case Pool() as op:
                done = _pooled(rewriter, node, op)
            case _:
                done = False
        if not done:
            rewriter.keep(node)
    return rewriter.finish()


def _pooled(rewriter: Rewriter, node: Node, op: Pool) -> bool:
    """Maximum pooling of int8 as such."""
    pool = max_pool(op, rewriter.current(node.inputs[0]), node) if op.function == "max" else None
    if pool is not None:
        rewriter.emit(pool, node.inputs, node.output, node.origin)
    return pool is not None


def _recognised(rewriter: Rewriter, node: Node, op: Quantize) -> bool:
    parameters = affine(rewriter, op, node.inputs)
    if parameters is None or not node.output.type.size:
        return False
    value, goal = _bounded(rewriter, node.inputs[0], Goal(node.output, parameters))
    goal = replace(goal, origin=goal.origin or node.origin)
    return (
        _rescaled(rewriter, value, goal)
        or _added(rewriter, value, goal)
        or _joined(rewriter, value, goal)
        or average(rewriter, value, goal)
        or linear(rewriter, value, goal)
    )


@dataclass(frozen=True)
class _Step:
    """What a node does to numbers: multiplies them, then keeps them within bounds."""

    value: Value
    low: float = -inf
    high: float = inf
    factor: Fraction = Fraction(1)


def _bounded(rewriter: Rewriter, value: Value, goal: Goal) -> tuple[Value, Goal]:
    """What is bounded and multiplied before it is quantised, and the goal with this in it."""
    while True:
        goal = replace(goal, private=goal.private and rewriter.private(value))
        node = rewriter.producers.get(rewriter.current(value))
        step = None if node is None else _step(rewriter, node)
        if node is None or step is None:
            return value, goal
        low, high = (
            min(max(goal.affine.quantised(bound), goal.bounds[0]), goal.bounds[1]) for bound in (step.low, step.high)
        )
        scaled = replace(goal.affine, scale=goal.affine.scale / step.factor)
        goal = replace(goal, affine=scaled, bounds=(low, high), origin=node.origin + goal.origin)
        value = step.value


def _step(rewriter: Rewriter, node: Node) -> _Step | None:
    match node.op:
        case Unary(function="relu"):
            return _Step(node.inputs[0], low=0.0)
        case Clip(minimum=minimum, maximum=maximum):
            low, high = -inf if minimum is None else float(minimum), inf if maximum is None else float(maximum)
            return None if isnan(low) or isnan(high) else _Step(node.inputs[0], low, high)
        case Binary(function=function):
            value, number = _with_number(rewriter, node, either=function != "div")
            if function == "maximum" and number is not None:
                return _Step(value, low=number)
            if function == "minimum" and number is not None:
                return _Step(value, high=number)
            if function in ("mul", "div") and number is not None and 0 < number < inf:
                return _Step(value, factor=Fraction(number) if function == "mul" else 1 / Fraction(number))
    return None


def _with_number(rewriter: Rewriter, node: Node, *, either: bool) -> tuple[Value, float | None]:
    """The operand that is not one constant number, and that number."""
    one, other = node.inputs
    for value, constant in ((one, other), (other, one))[: 1 + either]:
        array = rewriter.contents(constant)
        if array is not None and array.size == 1 and value.type == node.output.type and not np.isnan(array).any():
            return value, float(array.reshape(-1)[0])
    return one, None


def _rescaled(rewriter: Rewriter, value: Value, goal: Goal) -> bool:
    """int8 to int8 of another scale, zero point or range; nothing at all where these are the same."""
    source = dequantised(rewriter, value)
    if source is None:
        return False
    if source.affine == goal.affine and goal.bounds == INT8:
        given = rewriter.old(source.value)
        # What a Quantize gave is a tensor of the model and keeps its name.
        if given is not None and not isinstance(given.op, Quantize) and rewriter.rename(source.value, goal.output):
            return True
        if goal.output in rewriter.graph.outputs:
            rewriter.emit(QRescale(), [source.value], goal.output, goal.origin)
        else:
            rewriter.replace(goal.output, source.value)
        return True
    op = _rescale(source, goal)
    if op is not None:
        rewriter.emit(op, [source.value], goal.output, goal.origin)
    return op is not None


def _rescale(source: Quantised, goal: Goal) -> QRescale | None:
    if source.affine == goal.affine:
        return QRescale(output=Output(bounds=goal.bounds))
    point = fixed_point(source.affine.scale / goal.affine.scale)
    return None if point is None else QRescale(scale=scaling(source.affine.zero_point, point), output=goal.result())


def _added(rewriter: Rewriter, value: Value, goal: Goal) -> bool:
    """The sum or difference of two int8 tensors."""
    found = rewriter.producer(value, Binary)
    if found is None or found[1].function not in ("add", "sub"):
        return False
    node, op = found
    one, other = (dequantised(rewriter, operand) for operand in node.inputs)
    if one is None or other is None or one.value.type != other.value.type:
        return False
    ratios = [side.affine.scale / goal.affine.scale for side in (one, other)]
    points = [residual_point(ratio) for ratio in ratios]
    # The operand goes through memory whose part is nearer to what it should be with few bits.
    swapped = _error(ratios[0], points[0]) < _error(ratios[1], points[1])
    if swapped:
        one, other = other, one
    first, second = ratios[::-1] if swapped else ratios
    residual = residual_point(second)
    point = fixed_point(first * 2 ** residual[0]) if residual is not None else None
    if residual is None or point is None:
        return False
    fraction, multiplier, shift = residual
    signs = (1, 1 if op.function == "add" else -1)[:: -1 if swapped else 1]
    add = QAdd(
        one=scaling(one.affine.zero_point, (signs[0] * point[0], point[1])),
        other=scaling(other.affine.zero_point, (signs[1] * multiplier, shift)),
        output=goal.result(fraction),
    )
    rewriter.emit(add, [one.value, other.value], goal.output, node.origin + goal.origin)
    return True


def _error(ratio: Fraction, point: tuple[int, int, int] | None) -> Fraction:
    """By how much a residual's part in output steps is wrong for each of its own."""
    if point is None:
        return ratio
    fraction, multiplier, shift = point
    return abs(Fraction(multiplier, 1 << (shift + fraction)) - ratio)


def _joined(rewriter: Rewriter, value: Value, goal: Goal) -> bool:
    """The concatenation of int8 tensors, each first brought to the scale of the result."""
    found = rewriter.producer(value, Concat)
    if found is None:
        return False
    node, op = found
    sources = [dequantised(rewriter, operand) for operand in node.inputs]
    ops = [None if source is None else _rescale(source, goal) for source in sources]
    parts: list[Value] = []
    if any(rescale is None for rescale in ops):
        return False
    for source, rescale in zip(sources, ops, strict=True):
        assert source is not None and rescale is not None
        if rescale == QRescale():
            parts.append(source.value)
        else:
            parts.append(rewriter.emit(rescale, [source.value], f"{source.value.name}_rescaled", goal.origin))
    rewriter.emit(op, parts, goal.output, node.origin + goal.origin)
    return True
