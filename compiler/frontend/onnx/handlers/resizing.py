"""Interpolation to other sizes."""

from __future__ import annotations

from math import floor, isfinite

from dovetail.compiler.frontend.onnx.context import NodeContext, axis_of
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.resize import Resize

from .interpolation import Interpolation, applied, weigh

OUTSIDE = "tf_crop_and_resize"


@handler("Upsample", since=7)
def upsample(ctx: NodeContext) -> Value:
    scales = ctx.numbers("scales") if ctx.has("scales") else tuple(map(float, ctx.known(1, "scales").reshape(-1)))
    return _simple(ctx, scales)


@handler("Resize", since=10)
def resize_by_scales(ctx: NodeContext) -> Value:
    return _simple(ctx, tuple(map(float, ctx.known(1, "scales").reshape(-1))))


def _simple(ctx: NodeContext, scales: tuple[float, ...]) -> Value:
    ctx.reject("mode", "nearest", "linear", "bilinear")
    mode = "nearest" if ctx.text("mode", "nearest") == "nearest" else "linear"
    sizes = _scaled(ctx[0].type.shape, scales)
    op = Resize(sizes=sizes, mode=mode, coordinates="asymmetric", nearest_mode="floor", scales=scales)
    return ctx.emit(op, ctx[0])


def _scaled(shape: tuple[int, ...], scales: tuple[float, ...]) -> tuple[int, ...]:
    if len(scales) != len(shape) or not all(isfinite(scale) and scale > 0 for scale in scales):
        raise Unsupported(f"scales {list(scales)} must be numbers above 0, one for each of {len(shape)} axes")
    return tuple(floor(size * scale) for size, scale in zip(shape, scales, strict=True))


@handler("Resize", since=11)
def resize(ctx: NodeContext) -> Value:
    data, rank = ctx[0], ctx[0].type.rank
    ctx.reject("mode", "nearest", "linear", "cubic")
    ctx.reject("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
    axes = tuple(axis_of(axis, rank) for axis in ctx.integers("axes", tuple(range(rank))))
    sizes, scales = _sizes(ctx, axes)
    mode = ctx.text("mode", "nearest")
    coordinates = ctx.text("coordinate_transformation_mode", "half_pixel")
    how = Interpolation(
        mode=mode,
        coordinates=coordinates,
        nearest=ctx.text("nearest_mode", "round_prefer_floor"),
        cubic=ctx.number("cubic_coeff_a", -0.75),
        exclude_outside=bool(ctx.integer("exclude_outside", 0)),
        antialias=bool(ctx.integer("antialias", 0)) and mode != "nearest",
    )
    # In the last of these ONNX takes sizes before they are cut to whole numbers.
    fractional = coordinates == "align_corners" and not all(
        float(size * scale).is_integer() for size, scale in zip(data.type.shape, scales, strict=True)
    )
    if coordinates == OUTSIDE or how.exclude_outside or how.antialias or fractional:
        return _weighed(ctx, how, sizes, scales, axes)
    op = Resize(
        sizes=sizes, mode=mode, coordinates=coordinates, nearest_mode=how.nearest, scales=scales, cubic=how.cubic
    )
    return ctx.emit(op, data)


def _sizes(ctx: NodeContext, axes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes and scales of all axes, from those that operands give."""
    shape = ctx[0].type.shape
    scales = [1.0] * len(shape)
    given = ctx.optional(2)
    if given is not None and given.type.size:
        factors = tuple(map(float, ctx.known(2, "scales").reshape(-1)))
        if len(factors) != len(axes):
            raise Unsupported(f"{len(factors)} scales do not fit {len(axes)} axes")
        for axis, factor in zip(axes, factors, strict=True):
            scales[axis] = factor
        return _scaled(shape, tuple(scales)), tuple(scales)
    wanted = ctx.known_ints(3, "sizes")
    if len(wanted) != len(axes) or min(wanted, default=1) < 1 or min(shape, default=1) < 1:
        raise Unsupported(f"sizes {list(wanted)} must be numbers of at least 1 for each of {len(axes)} axes")
    sizes = list(shape)
    policy = ctx.text("keep_aspect_ratio_policy", "stretch")
    factors = tuple(size / shape[axis] for axis, size in zip(axes, wanted, strict=True))
    if policy != "stretch":
        common = min(factors) if policy == "not_larger" else max(factors)
        factors = (common,) * len(axes)
        wanted = tuple(floor(common * shape[axis] + 0.5) for axis in axes)
    for axis, size, factor in zip(axes, wanted, factors, strict=True):
        sizes[axis], scales[axis] = size, factor
    return tuple(sizes), tuple(scales)


def _weighed(
    ctx: NodeContext,
    how: Interpolation,
    sizes: tuple[int, ...],
    scales: tuple[float, ...],
    axes: tuple[int, ...],
) -> Value:
    """By a matrix for each axis."""
    result, rank = ctx[0], ctx[0].type.rank
    region = [(0.0, 1.0)] * rank
    if how.coordinates == OUTSIDE:
        bounds = ctx.known(1, "roi").reshape(2, -1)
        if bounds.shape[1] != len(axes):
            raise Unsupported(f"roi has {bounds.size} numbers for {len(axes)} axes")
        for place, axis in enumerate(axes):
            region[axis] = (float(bounds[0, place]), float(bounds[1, place]))
    outside = []
    for axis in range(rank):
        matrix, beyond = weigh(how, result.type.shape[axis], sizes[axis], scales[axis], region[axis])
        outside.append(beyond)
        result = applied(ctx, result, axis, matrix)
    if how.coordinates != OUTSIDE:
        return result
    value = ctx.number("extrapolation_value", 0.0)
    for axis, beyond in enumerate(outside):
        if beyond.any():
            mask = ctx.constant(beyond.reshape([-1 if at == axis else 1 for at in range(rank)]))
            result = ctx.where(mask, value, result)
    return result
