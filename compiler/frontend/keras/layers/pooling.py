"""Pooling."""

from __future__ import annotations

from ..registry import Call, layer
from ..writer import Tensor
from .convolution import channels_first, spatial, spatial_sizes, window_pads

DIMENSIONS = ("1D", "2D", "3D")


def _classes(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{dimension}" for dimension in DIMENSIONS)


@layer(*_classes("MaxPooling"), *_classes("AveragePooling"))
def pooling(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    sizes = spatial_sizes(x.shape, one.data_format)
    kernel, strides = (_entries(given, len(sizes)) for given in (one.pool_size, one.strides))
    begin, end = window_pads(one.padding, sizes, kernel, strides, (1,) * len(sizes))
    value = call.node(
        "MaxPool" if type(one).__name__.startswith("Max") else "AveragePool",
        channels_first(call, x, one.data_format),
        kernel_shape=list(kernel),
        strides=list(strides),
        pads=[*begin, *end],
    )
    return spatial(call, value, one.data_format)


@layer(*_classes("GlobalAveragePooling"), *_classes("GlobalMaxPooling"))
def global_pooling(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    op = "GlobalMaxPool" if "Max" in type(one).__name__ else "GlobalAveragePool"
    value = call.node(op, channels_first(call, x, one.data_format))
    if one.keepdims:
        return spatial(call, value, one.data_format)
    return call.result(call.writer.reshape(value, call.shape))


def _entries(given: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (given,) * axes if isinstance(given, int) else tuple(given)
