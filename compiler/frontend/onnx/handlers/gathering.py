"""Elements chosen, or put, by indices."""

from __future__ import annotations

from math import prod

import numpy as np

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported, check_shape
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.movement import Concat, Gather, GatherElements, GatherND
from dovetail.compiler.graph.types import Array

COMBINED = {"add": "add", "mul": "mul", "max": "maximum", "min": "minimum"}
"""What a scatter does with an element that is there, by the value of its attribute."""
MAX_REPEATS = 64
"""Updates of one element that are combined."""


@handler("Gather")
def gather(ctx: NodeContext) -> Value:
    return ctx.emit(Gather(axis=axis_of(ctx.integer("axis", 0), ctx[0].type.rank)), ctx[0], ctx[1])


@handler("GatherElements")
def gather_elements(ctx: NodeContext) -> Value:
    return ctx.emit(GatherElements(axis=axis_of(ctx.integer("axis", 0), ctx[0].type.rank)), ctx[0], ctx[1])


@handler("GatherND")
def gather_nd(ctx: NodeContext) -> Value:
    return ctx.emit(GatherND(batch_dims=ctx.integer("batch_dims", 0)), ctx[0], ctx[1])


@handler("Compress")
def compress(ctx: NodeContext) -> Value:
    data = ctx[0] if ctx.has("axis") else ctx.reshape(ctx[0], (ctx[0].type.size,))
    axis = axis_of(ctx.integer("axis", 0), data.type.rank)
    places = np.flatnonzero(ctx.known(1, "condition"))
    return ctx.emit(Gather(axis=axis), data, ctx.constant(places, "int64"))


@handler("NonZero")
def non_zero(ctx: NodeContext) -> Value:
    known = ctx.contents(ctx[0])
    if known is None:
        raise Unsupported("the shape of its result depends on the data; of constants it is supported")
    return ctx.constant(np.array(np.nonzero(np.atleast_1d(known))), "int64")


@handler("ScatterElements", "Scatter")
def scatter_elements(ctx: NodeContext) -> Value:
    shape = ctx[0].type.shape
    axis = axis_of(ctx.integer("axis", 0), len(shape))
    indices = ctx.known(1, "indices")
    _check_places(ctx[2])
    if indices.shape != ctx[2].type.shape or indices.ndim != len(shape):
        raise Unsupported(f"indices {list(indices.shape)} and updates {ctx[2].type} do not fit {ctx[0].type}")
    at = [np.broadcast_to(part, indices.shape) for part in np.ogrid[tuple(map(slice, indices.shape))]]
    at[axis] = indices
    return _scattered(ctx, _flat(at, shape))


@handler("ScatterND")
def scatter_nd(ctx: NodeContext) -> Value:
    shape = ctx[0].type.shape
    indices = ctx.known(1, "indices")
    depth = indices.shape[-1] if indices.ndim else 0
    _check_places(ctx[2])
    if not indices.ndim or depth > len(shape) or ctx[2].type.shape != (*indices.shape[:-1], *shape[depth:]):
        raise Unsupported(f"indices {list(indices.shape)} and updates {ctx[2].type} do not fit {ctx[0].type}")
    first = _flat([indices[..., part] for part in range(depth)], shape[:depth])
    size = prod(shape[depth:])
    places = np.asarray(first)[..., None] * size + np.arange(size)
    return _scattered(ctx, places)


def _check_places(value: Value) -> None:
    """Refuses what has too many elements for a table of places."""
    check_shape(value.type.shape, np.dtype(np.int64).itemsize, "a table of places")


def _flat(at: list[Array], shape: tuple[int, ...]) -> Array:
    """Places in row-major order of indices by axis, of which negative ones count from the end."""
    places: Array = np.zeros((), np.int64)
    for indices, size in zip(at, shape, strict=True):
        if indices.size and not (-size <= indices.min() and indices.max() < size):
            raise Unsupported(f"indices from {indices.min()} to {indices.max()} are outside of an axis of {size}")
        places = places * size + np.where(indices < 0, indices + size, indices)
    return places


def _scattered(ctx: NodeContext, places: Array) -> Value:
    """The data with the updates at known places: each round takes at most one update for each element."""
    data, updates = ctx[0], ctx[2]
    ctx.reject("reduction", "none", *COMBINED)
    reduction = ctx.text("reduction", "none")
    size = data.type.size
    _check_places(data)
    flat, new = ctx.reshape(data, (size,)), ctx.reshape(updates, (updates.type.size,))
    places = places.reshape(-1)
    if not places.size:
        return data
    if reduction == "none":
        source = np.arange(size)
        source[places] = size + np.arange(places.size)
        both = ctx.emit(Concat(axis=0), flat, new)
        return ctx.reshape(ctx.emit(Gather(axis=0), both, ctx.constant(source)), data.type.shape)
    waiting = np.arange(places.size)
    for _ in range(MAX_REPEATS):
        chosen, first = np.unique(places[waiting], return_index=True)
        source, mask = np.zeros(size, np.int64), np.zeros(size, bool)
        source[chosen], mask[chosen] = waiting[first], True
        update = ctx.emit(Gather(axis=0), new, ctx.constant(source))
        flat = ctx.where(ctx.constant(mask), ctx.binary(COMBINED[reduction], flat, update), flat)
        waiting = np.delete(waiting, first)
        if not waiting.size:
            return ctx.reshape(flat, data.type.shape)
    raise Unsupported(f"an element has more than {MAX_REPEATS} updates")


@handler("TensorScatter", since=24)
def tensor_scatter(ctx: NodeContext) -> Value:
    """Updates are written behind one another from an index for each batch, around the end if `mode` says so."""
    ctx.reject("mode", "linear", "circular")
    shape, new = ctx[0].type.shape, ctx[1].type.shape
    axis = axis_of(ctx.integer("axis", -2), len(shape))
    _check_places(ctx[0])
    _check_places(ctx[1])
    first = np.zeros(shape[0], np.int64) if ctx.optional(2) is None else ctx.known(2, "write_indices")
    at = [np.broadcast_to(part, new) for part in np.ogrid[tuple(map(slice, new))]]
    at[axis] = at[axis] + first.reshape(-1, *[1] * (len(shape) - 1))
    if ctx.text("mode", "linear") == "circular":
        at[axis] = at[axis] % shape[axis]
    places = _flat(at, shape).reshape(-1)
    source = np.arange(ctx[0].type.size)
    source[places] = source.size + np.arange(places.size)
    flat = [ctx.reshape(value, (value.type.size,)) for value in ctx.operands[:2]]
    both = ctx.emit(Concat(axis=0), *flat)
    return ctx.reshape(ctx.emit(Gather(axis=0), both, ctx.constant(source)), shape)


@handler("OneHot")
def one_hot(ctx: NodeContext) -> Value:
    depths = ctx.known_ints(1, "depth")
    if len(depths) != 1 or depths[0] < 0:
        raise Unsupported(f"depth must be one number of at least 0, not {list(depths)}")
    rank, depth = ctx[0].type.rank + 1, depths[0]
    axis = axis_of(ctx.integer("axis", -1), rank)
    shape = list(ctx[0].type.shape)
    check_shape((*shape, depth), ctx[2].type.numpy.itemsize, "the result")
    indices = ctx.cast(ctx.reshape(ctx[0], [*shape[:axis], 1, *shape[axis:]]), "int64")
    places = ctx.counted(depth, axis, rank)
    hit = ctx.binary(
        "or",
        ctx.binary("equal", indices, places),
        ctx.binary("equal", indices, ctx.binary("sub", places, depth)),
    )
    off, on = (ctx.reshape(ctx.emit(Gather(axis=0), ctx[2], ctx.constant(n, "int64")), ()) for n in (0, 1))
    return ctx.where(hit, on, off)


@handler("Trilu")
def trilu(ctx: NodeContext) -> Value:
    k = 0 if ctx.optional(1) is None else ctx.known_ints(1, "k")[0]
    *_, rows, cols = ctx[0].type.shape
    across = ctx.counted(cols, 1, 2)
    # Beyond the corners k changes nothing, and must not overflow.
    down = ctx.binary("add", ctx.counted(rows, 0, 2), max(-rows - 1, min(cols + 1, k)))
    kept = ctx.binary("greater_equal" if ctx.integer("upper", 1) else "less_equal", across, down)
    if ctx[0].type.dtype == "bool":
        return ctx.binary("and", kept, ctx[0])
    return ctx.where(kept, ctx[0], 0)


@handler("ReverseSequence")
def reverse_sequence(ctx: NodeContext) -> Value:
    shape = ctx[0].type.shape
    time, batch = ctx.integer("time_axis", 0), ctx.integer("batch_axis", 1)
    if {time, batch} != {0, 1} or len(shape) < 2:
        raise Unsupported("the time and the batch axis must be the first two")
    lengths = ctx.known(1, "sequence_lens")
    if lengths.shape != (shape[batch],) or (lengths < 0).any() or (lengths > shape[time]).any():
        raise Unsupported(f"sequence_lens do not fit {ctx[0].type}")
    _check_places(ctx[0])
    places = np.arange(shape[time])[:, None]
    source = np.where(places < lengths, lengths - 1 - places, places)
    source = source if time == 0 else source.T
    wide = source.reshape(*source.shape, *[1] * (len(shape) - 2))
    indices = ctx.expand(ctx.constant(wide, "int64"), shape)
    return ctx.emit(GatherElements(axis=time), ctx[0], indices)
