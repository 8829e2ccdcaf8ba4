"""Tensors in other shapes: what moves elements and computes nothing."""

from __future__ import annotations

from math import prod

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext, axes_of, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.movement import Concat, Pad, Slice, Tile


@handler("Reshape")
def reshape(ctx: NodeContext) -> Value:
    given = ctx.ints_of("shape", 1) or ()
    data = ctx[0].type.shape
    shape = list(given)
    if not ctx.integer("allowzero", 0):
        for axis, size in enumerate(shape):
            if size == 0 and axis >= len(data):
                raise Unsupported(f"the shape {list(given)} copies axis {axis}, which its operand {list(data)} lacks")
        shape = [data[axis] if size == 0 else size for axis, size in enumerate(shape)]
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise Unsupported(f"the shape {list(given)} must have at most one -1 and else sizes of at least 0")
    if -1 in shape:
        others = prod(size for size in shape if size != -1)
        if not others or prod(data) % others:
            raise Unsupported(f"{list(data)} does not fit into the shape {list(given)}")
        shape[shape.index(-1)] = prod(data) // others
    return ctx.reshape(ctx[0], shape)


@handler("Flatten")
def flatten(ctx: NodeContext) -> Value:
    shape = ctx[0].type.shape
    axis = ctx.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise Unsupported(f"there is no axis {axis} of {len(shape)}")
    axis = axis + len(shape) if axis < 0 else axis
    return ctx.reshape(ctx[0], (prod(shape[:axis]), prod(shape[axis:])))


@handler("Squeeze")
def squeeze(ctx: NodeContext) -> Value:
    shape = ctx[0].type.shape
    given = ctx.ints_of("axes", 1)
    single = [axis for axis, size in enumerate(shape) if size == 1]
    axes = single if given is None else axes_of(given, len(shape))
    if any(shape[axis] != 1 for axis in axes):
        raise Unsupported(f"axes {list(axes)} of {list(shape)} are not all of size 1")
    return ctx.reshape(ctx[0], [size for axis, size in enumerate(shape) if axis not in axes])


@handler("Unsqueeze")
def unsqueeze(ctx: NodeContext) -> Value:
    given = ctx.ints_of("axes", 1) or ()
    rank = ctx[0].type.rank + len(given)
    axes = axes_of(given, rank)
    sizes = iter(ctx[0].type.shape)
    return ctx.reshape(ctx[0], [1 if axis in axes else next(sizes) for axis in range(rank)])


@handler("Transpose")
def transpose(ctx: NodeContext) -> Value:
    rank = ctx[0].type.rank
    order = ctx.integers("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        raise Unsupported(f"perm {list(order)} does not name each of {rank} axes once")
    return ctx.transpose(ctx[0], order)


@handler("Expand")
def expand(ctx: NodeContext) -> Value:
    wanted = ctx.known_ints(1, "shape")
    shape = ctx[0].type.shape
    try:
        result = np.broadcast_shapes(shape, wanted)
    except ValueError:
        raise Unsupported(f"{list(shape)} does not broadcast to {list(wanted)}") from None
    return ctx.expand(ctx[0], result)


@handler("Concat")
def concat(ctx: NodeContext) -> Value:
    axis = axis_of(ctx.integer("axis", 1), ctx[0].type.rank)
    return ctx[0] if len(ctx.operands) == 1 else ctx.emit(Concat(axis=axis), *ctx.operands)


@handler("Split")
def split(ctx: NodeContext) -> list[Value]:
    data = ctx[0]
    axis = axis_of(ctx.integer("axis", 0), data.type.rank)
    size, count = data.type.shape[axis], ctx.outputs
    sizes = ctx.ints_of("split", 1)
    if sizes is None:
        part = -(-size // count)
        sizes = tuple(max(0, min(part, size - place * part)) for place in range(count))
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 0:
        raise Unsupported(f"axis {axis} of {data.type} cannot be split into {count} parts of {list(sizes)}")
    starts = [sum(sizes[:place]) for place in range(count)]
    return [cut(ctx, data, {axis: (start, part, 1)}) for start, part in zip(starts, sizes, strict=True)]


def cut(ctx: NodeContext, data: Value, parts: dict[int, tuple[int, int, int]]) -> Value:
    """Elements from a start, as many as a size, at a step, by axis."""
    whole = [parts.get(axis, (0, size, 1)) for axis, size in enumerate(data.type.shape)]
    if all(part == (0, size, 1) for part, size in zip(whole, data.type.shape, strict=True)):
        return data
    starts, sizes, steps = (tuple(column) for column in zip(*whole, strict=True))
    return ctx.emit(Slice(starts=starts, sizes=sizes, steps=steps), data)


@handler("Slice")
def slice_by_attributes(ctx: NodeContext) -> Value:
    starts, ends = ctx.integers("starts"), ctx.integers("ends")
    return _sliced(ctx, starts, ends, ctx.integers("axes", range(len(starts))), [1] * len(starts))


@handler("Slice", since=10)
def slice_by_operands(ctx: NodeContext) -> Value:
    starts, ends = ctx.known_ints(1, "starts"), ctx.known_ints(2, "ends")
    axes = tuple(range(len(starts))) if ctx.optional(3) is None else ctx.known_ints(3, "axes")
    steps = (1,) * len(starts) if ctx.optional(4) is None else ctx.known_ints(4, "steps")
    return _sliced(ctx, starts, ends, axes, steps)


def _sliced(
    ctx: NodeContext,
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...],
    steps: tuple[int, ...] | list[int],
) -> Value:
    data = ctx[0]
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps do not fit")
    axes_of(axes, data.type.rank)
    parts = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise Unsupported("a step is 0")
        at = axis_of(axis, data.type.rank)
        places = range(data.type.shape[at])[start:end:step]
        parts[at] = (places.start if len(places) else 0, len(places), step if len(places) > 1 else 1)
    return cut(ctx, data, parts)


@handler("Pad", since=2)
def pad_by_attributes(ctx: NodeContext) -> Value:
    return _padded(ctx, ctx.integers("pads"), tuple(range(ctx[0].type.rank)), ctx.number("value", 0.0))


@handler("Pad", since=11)
def pad_by_operands(ctx: NodeContext) -> Value:
    rank = ctx[0].type.rank
    axes = tuple(range(rank)) if ctx.optional(3) is None else ctx.known_ints(3, "axes")
    value = 0 if ctx.optional(2) is None else ctx.known(2, "constant_value").reshape(()).item()
    return _padded(ctx, ctx.known_ints(1, "pads"), tuple(axis_of(axis, rank) for axis in axes), value)


def _padded(ctx: NodeContext, pads: tuple[int, ...], axes: tuple[int, ...], value: float) -> Value:
    data = ctx[0]
    ctx.reject("mode", "constant", "reflect", "edge", "wrap")
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"{len(pads)} pads do not fit {len(axes)} axes")
    axes_of(axes, data.type.rank)
    ends = dict(zip(axes, zip(pads, pads[len(axes) :], strict=False), strict=True))
    both = [ends.get(axis, (0, 0)) for axis in range(data.type.rank)]
    kept = {}
    for axis, ((first, last), size) in enumerate(zip(both, data.type.shape, strict=True)):
        kept[axis] = (min(size, max(0, -first)), max(0, size + min(0, first) + min(0, last)), 1)
    inner = cut(ctx, data, kept)
    before, after = (tuple(max(0, pair[end]) for pair in both) for end in (0, 1))
    if not any((*before, *after)):
        return inner
    return ctx.emit(Pad(before=before, after=after, mode=ctx.text("mode", "constant"), value=value), inner)


@handler("Tile", since=6)
def tile(ctx: NodeContext) -> Value:
    return ctx.emit(Tile(repeats=ctx.known_ints(1, "repeats")), ctx[0])


@handler("DepthToSpace")
def depth_to_space(ctx: NodeContext) -> Value:
    ctx.reject("mode", "DCR", "CRD")
    n, c, *space = ctx[0].type.shape
    block, axes = _block(ctx, space), len(space)
    if c % block**axes:
        raise Unsupported(f"{c} channels cannot be spread over blocks of {block}")
    depth = c // block**axes
    blocks = list(range(1, 1 + axes))
    if ctx.text("mode", "DCR") == "DCR":
        split = ctx.reshape(ctx[0], [n, *[block] * axes, depth, *space])
        order = [0, 1 + axes]
    else:
        split = ctx.reshape(ctx[0], [n, depth, *[block] * axes, *space])
        order, blocks = [0, 1], [axis + 1 for axis in blocks]
    for axis, own in enumerate(blocks):
        order += [2 + axes + axis, own]
    return ctx.reshape(ctx.transpose(split, order), [n, depth, *(size * block for size in space)])


@handler("SpaceToDepth")
def space_to_depth(ctx: NodeContext) -> Value:
    ctx.reject("mode", "DCR", "CRD")
    n, c, *space = ctx[0].type.shape
    block, axes = _block(ctx, space), len(space)
    if any(size % block for size in space):
        raise Unsupported(f"{space} cannot be cut into blocks of {block}")
    split = ctx.reshape(ctx[0], [n, c, *(part for size in space for part in (size // block, block))])
    outer, inner = [2 + 2 * axis for axis in range(axes)], [3 + 2 * axis for axis in range(axes)]
    order = [0, *inner, 1, *outer] if ctx.text("mode", "DCR") == "DCR" else [0, 1, *inner, *outer]
    return ctx.reshape(ctx.transpose(split, order), [n, c * block**axes, *(size // block for size in space)])


def _block(ctx: NodeContext, space: list[int]) -> int:
    block = ctx.integer("blocksize")
    if block < 1 or not space:
        raise Unsupported(f"blocksize {block} and {len(space)} spatial axes must be at least 1")
    return block
