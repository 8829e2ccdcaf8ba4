"""Layers that move elements: padding, cropping, repetition, other shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..registry import Call, Unsupported, layer, operation
from ..writer import Tensor
from .convolution import channels_first, spatial


@layer("Flatten", "Reshape", any_type=True)
@operation("Reshape", "Squeeze", "ExpandDims", any_type=True)
def reshape(call: Call, x: Tensor) -> Tensor:
    if type(call.layer).__name__ == "Flatten" and call.layer.data_format == "channels_first":
        raise Unsupported("has data_format channels_first; supported: channels_last")
    return call.result(call.writer.reshape(call.writer.last(x).name, call.shape))


@layer("Permute", any_type=True)
def permute(call: Call, x: Tensor) -> Tensor:
    return call.result(call.node("Transpose", call.writer.last(x).name, perm=[0, *call.layer.dims]))


@operation("Transpose", any_type=True)
def transpose(call: Call, x: Tensor) -> Tensor:
    order = call.layer.axes or range(x.rank)[::-1]
    return call.result(call.node("Transpose", call.writer.last(x).name, perm=[axis % x.rank for axis in order]))


@layer("RepeatVector", any_type=True)
def repeat_vector(call: Call, x: Tensor) -> Tensor:
    rows = call.writer.reshape(x.name, (x.shape[0], 1, x.shape[1]))
    return call.result(call.node("Expand", rows, call.constant(list(call.shape), "shape", "int64")))


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(call: Call, x: Tensor) -> Tensor:
    begin, end = _edges(call.layer.padding, x.rank - 2)
    if getattr(call.layer, "data_format", "channels_last") == "channels_last":
        return call.writer.pad(x, begin, end, call.shape)
    pads = call.constant([0, 0, *begin, 0, 0, *end], "pads", "int64")
    return call.result(call.node("Pad", call.writer.last(x).name, pads))


@layer("Cropping1D", "Cropping2D", "Cropping3D", any_type=True)
def cropping(call: Call, x: Tensor) -> Tensor:
    begin, _ = _edges(call.layer.cropping, x.rank - 2)
    data_format = getattr(call.layer, "data_format", "channels_last")
    at = 1 if data_format == "channels_last" else 2
    sizes = call.shape[at : at + x.rank - 2]
    starts, ends = list(begin), [low + size for low, size in zip(begin, sizes, strict=True)]
    bounds = [
        call.constant(values, name, "int64")
        for name, values in (("starts", starts), ("ends", ends), ("axes", list(range(2, x.rank))))
    ]
    return spatial(call, call.node("Slice", channels_first(call, x, data_format), *bounds), data_format)


@layer("UpSampling1D", "UpSampling2D")
def up_sampling(call: Call, x: Tensor) -> Tensor:
    interpolation = getattr(call.layer, "interpolation", "nearest")
    return _resized(call, x, interpolation, getattr(call.layer, "data_format", "channels_last"))


@layer("Resizing")
def resizing(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    if one.crop_to_aspect_ratio or one.pad_to_aspect_ratio or one.antialias:
        raise Unsupported("keeps the aspect ratio or filters; supported: without")
    return _resized(call, x, one.interpolation, one.data_format)


def _resized(call: Call, x: Tensor, interpolation: str, data_format: str) -> Tensor:
    modes = {"nearest": "nearest", "bilinear": "linear"}
    if interpolation not in modes:
        raise Unsupported(f"has the interpolation {interpolation}; supported: {', '.join(modes)}")
    result = spatial(call, "", data_format)
    value = call.node(
        "Resize",
        channels_first(call, x, data_format),
        "",
        "",
        call.constant(result.value_shape, "sizes", "int64"),
        mode=modes[interpolation],
        coordinate_transformation_mode="half_pixel",
        nearest_mode="round_prefer_ceil",
    )
    return replace(result, name=value)


def _edges(given: object, axes: int) -> tuple[list[int], list[int]]:
    """What Keras keeps as pairs, or as one pair for a single axis."""
    pairs = np.array(given).reshape(axes, 2)
    return pairs[:, 0].tolist(), pairs[:, 1].tolist()
