"""Pooling."""

from __future__ import annotations

from operator import add

from ..registry import Call, layer
from ..writer import Tensor
from .convolution import channels_first, spatial, spatial_sizes, window_pads

Places = tuple[int, ...]
DIMENSIONS = ("1D", "2D", "3D")


def _classes(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{dimension}" for dimension in DIMENSIONS)


@layer(*_classes("MaxPooling"), *_classes("AveragePooling"))
def pooling(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    sizes = spatial_sizes(x.shape, one.data_format)
    kernel, strides = (_entries(given, len(sizes)) for given in (one.pool_size, one.strides))
    begin, end = window_pads(one.padding, sizes, kernel, strides, (1,) * len(sizes))
    source, largest = channels_first(call, x, one.data_format), type(one).__name__.startswith("Max")
    if largest:
        source, begin, end = _with_zeros(call, source, kernel, begin, end)
    value = call.node(
        "MaxPool" if largest else "AveragePool",
        source,
        kernel_shape=list(kernel),
        strides=list(strides),
        pads=[*begin, *end],
    )
    return spatial(call, value, one.data_format)


def _with_zeros(
    call: Call, source: str, kernel: tuple[int, ...], begin: Places, end: Places
) -> tuple[str, Places, Places]:
    """Zeros around what is never below 0 become padding of the window, which is never the greatest either."""
    inside, before, after = call.writer.unpadded(source, len(kernel))
    whole = tuple(map(add, begin, before)), tuple(map(add, end, after))
    visible = all(pad < size for pads in whole for pad, size in zip(pads, kernel, strict=True))
    if visible and call.writer.operator(inside) in ("Relu", "Sigmoid"):
        return inside, *whole
    return source, begin, end


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
