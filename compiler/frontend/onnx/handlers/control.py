"""Subgraphs: both branches of conditions are computed, and loops are unrolled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.movement import Concat

from .movement import cut


@handler("If")
def condition(ctx: NodeContext) -> list[Value]:
    known = ctx.contents(ctx[0])
    if known is not None:
        return ctx.run(ctx.subgraph("then_branch" if known.any() else "else_branch"))
    one, other = ctx.run(ctx.subgraph("then_branch")), ctx.run(ctx.subgraph("else_branch"))
    if [value.type for value in one] != [value.type for value in other]:
        ctx.known(0, "the condition, as the branches have results of different types,")
    chosen = ctx.reshape(ctx[0], ())
    return [ctx.where(chosen, first, second) for first, second in zip(one, other, strict=True)]


@handler("Loop")
def loop(ctx: NodeContext) -> list[Value]:
    body = ctx.subgraph("body")
    limit = None if ctx.optional(0) is None else int(ctx.known(0, "the number of iterations").reshape(()))
    going = True if ctx.optional(1) is None else bool(ctx.known(1, "the condition").reshape(()))
    carried = [ctx[number] for number in range(2, len(ctx.inputs))]
    if len(body.input) != 2 + len(carried) or len(body.output) < 1 + len(carried):
        raise Unsupported(f"its body has {len(body.input)} inputs and {len(body.output)} outputs")
    collected: list[list[Value]] = [[] for _ in body.output[1 + len(carried) :]]
    for step in count():
        if not going or (limit is not None and step >= limit):
            break
        results = ctx.run(body, [ctx.constant(step, "int64"), ctx.constant(True), *carried])
        known = ctx.contents(results[0])
        if known is None:
            raise Unsupported("its condition depends on data; loops whose end is known are supported")
        going = bool(known.reshape(()))
        carried = results[1 : 1 + len(carried)]
        for part, value in zip(collected, results[1 + len(carried) :], strict=True):
            part.append(value)
    return [*carried, *(stacked(ctx, part, 0) for part in collected)]


@handler("Scan", since=9)
def scan(ctx: NodeContext) -> list[Value]:
    body, scanned = ctx.subgraph("body"), ctx.integer("num_scan_inputs")
    states = list(ctx.operands[: len(ctx.inputs) - scanned])
    inputs = ctx.operands[len(states) :]
    results = len(body.output) - len(states)
    axes = ctx.integers("scan_input_axes", (0,) * scanned)
    backwards = ctx.integers("scan_input_directions", (0,) * scanned)
    out_axes = ctx.integers("scan_output_axes", (0,) * results)
    out_backwards = ctx.integers("scan_output_directions", (0,) * results)
    places = [axis_of(axis, value.type.rank) for axis, value in zip(axes, inputs, strict=True)]
    lengths = {value.type.shape[axis] for axis, value in zip(places, inputs, strict=True)}
    if len(lengths) != 1:
        raise Unsupported(f"its inputs are of different lengths, {sorted(lengths)}")
    length = lengths.pop()
    collected: list[list[Value]] = [[] for _ in range(results)]
    for step in range(length):
        taken = [
            at(ctx, value, axis, length - 1 - step if back else step)
            for value, axis, back in zip(inputs, places, backwards, strict=True)
        ]
        outputs = ctx.run(body, [*states, *taken])
        states = outputs[: len(states)]
        for part, value in zip(collected, outputs[len(states) :], strict=True):
            part.append(value)
    joined = [
        stacked(ctx, part[::-1] if back else part, axis)
        for part, axis, back in zip(collected, out_axes, out_backwards, strict=True)
    ]
    return [*states, *joined]


def at(ctx: NodeContext, value: Value, axis: int, place: int) -> Value:
    """The slice at a place of an axis, which is gone then."""
    shape = value.type.shape
    return ctx.reshape(cut(ctx, value, {axis: (place, 1, 1)}), [*shape[:axis], *shape[axis + 1 :]])


def stacked(ctx: NodeContext, values: Sequence[Value], axis: int) -> Value:
    """Values of one shape, one behind the other along a new axis."""
    if not values:
        raise Unsupported("it has no iterations, so that the shape of its results is not known")
    shape = list(values[0].type.shape)
    place = axis_of(axis, len(shape) + 1)
    parts = [ctx.reshape(value, [*shape[:place], 1, *shape[place:]]) for value in values]
    return parts[0] if len(parts) == 1 else ctx.emit(Concat(axis=place), *parts)
