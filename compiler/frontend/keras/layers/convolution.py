"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import Call, layer
from ..writer import Array, Tensor
from .activations import activated

Pads = tuple[tuple[int, ...], tuple[int, ...]]
"""Before and after, an entry an axis."""


def spatial_sizes(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    """The sizes of the axes other than samples and channels."""
    return shape[1:-1] if data_format == "channels_last" else shape[2:]


def window_pads(
    padding: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pads:
    """Padding of a window as Keras has it: for ``same`` the odd place is at the end, for ``causal`` all is before."""
    spans = [(taps - 1) * dilation + 1 for taps, dilation in zip(kernel, dilations, strict=True)]
    if padding == "causal":
        return tuple(span - 1 for span in spans), (0,) * len(spans)
    if padding == "valid":
        return (0,) * len(spans), (0,) * len(spans)
    whole = [
        max(0, (-(-size // stride) - 1) * stride + span - size)
        for size, stride, span in zip(sizes, strides, spans, strict=True)
    ]
    return tuple(pad // 2 for pad in whole), tuple(pad - pad // 2 for pad in whole)


def channels_first(call: Call, x: Tensor, data_format: str) -> str:
    """The value of `x` with channels in place 1."""
    return (call.writer.first(x) if data_format == "channels_last" else call.writer.last(x)).name


def spatial(call: Call, value: str, data_format: str) -> Tensor:
    """`value`, which has channels in place 1, as the layer's output."""
    return Tensor(value, call.shape, call.dtype, first=data_format == "channels_last" and len(call.shape) > 2)


def convolved(
    call: Call, x: str, kernel: Array, *, sizes: Sequence[int], padding: str, groups: int, name: str, bias: bool
) -> str:
    """The convolution of a value with channels in place 1 with a kernel [oc, ic / groups, *spatial]."""
    one = call.layer
    axes = kernel.ndim - 2
    begin, end = window_pads(padding, sizes, kernel.shape[2:], one.strides, one.dilation_rate)
    source, before, after = call.writer.unpadded(x, axes)
    operands = [source, call.constant(kernel, name)]
    if bias:
        operands.append(call.constant(call.weight("bias"), "bias"))
    pads = [*np.add(begin, before).tolist(), *np.add(end, after).tolist()]
    return call.node(
        "Conv",
        *operands,
        kernel_shape=list(kernel.shape[2:]),
        strides=list(one.strides),
        dilations=list(one.dilation_rate),
        group=groups,
        pads=pads,
    )


@layer("Conv1D", "Conv2D", "Conv3D")
def conv(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    kernel = np.moveaxis(call.weight("kernel"), (-1, -2), (0, 1))
    value = convolved(
        call,
        channels_first(call, x, one.data_format),
        kernel,
        sizes=spatial_sizes(x.shape, one.data_format),
        padding=one.padding,
        groups=one.groups,
        name="kernel",
        bias=one.bias is not None,
    )
    return _activated(call, value)


@layer("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
def depthwise_conv(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    separable = type(one).__name__.startswith("Separable")
    depthwise = np.moveaxis(call.weight("depthwise_kernel" if separable else "kernel"), (-2, -1), (0, 1))
    channels = depthwise.shape[0]
    kernel = depthwise.reshape(-1, 1, *depthwise.shape[2:])
    value = convolved(
        call,
        channels_first(call, x, one.data_format),
        kernel,
        sizes=spatial_sizes(x.shape, one.data_format),
        padding=one.padding,
        groups=channels,
        name="depthwise_kernel" if separable else "kernel",
        bias=one.bias is not None and not separable,
    )
    if separable:
        pointwise = np.moveaxis(call.weight("pointwise_kernel"), (-1, -2), (0, 1))
        operands = [value, call.constant(pointwise, "pointwise_kernel")]
        if one.bias is not None:
            operands.append(call.constant(call.weight("bias"), "bias"))
        value = call.node("Conv", *operands, kernel_shape=list(pointwise.shape[2:]), name="pointwise")
    return _activated(call, value)


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def conv_transpose(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    kernel = np.moveaxis(call.weight("kernel"), (-1, -2), (0, 1))
    axes = kernel.ndim - 2
    given, wanted = (spatial_sizes(shape, one.data_format) for shape in (x.shape, call.shape))
    extra = one.output_padding
    extras = [None] * axes if extra is None else [extra] * axes if isinstance(extra, int) else list(extra)
    begin, end, more = [], [], []
    for size, result, taps, stride, dilation, added in zip(
        given, wanted, kernel.shape[2:], one.strides, one.dilation_rate, extras, strict=True
    ):
        span = (taps - 1) * dilation + 1
        before = _cut_before(one.padding, span, stride, added)
        rest = result - ((size - 1) * stride + span - before)
        begin.append(before)
        end.append(max(0, -rest))
        more.append(max(0, rest))
    operands = [channels_first(call, x, one.data_format), call.constant(kernel, "kernel")]
    if one.bias is not None:
        operands.append(call.constant(call.weight("bias"), "bias"))
    value = call.node(
        "ConvTranspose",
        *operands,
        kernel_shape=list(kernel.shape[2:]),
        strides=list(one.strides),
        dilations=list(one.dilation_rate),
        pads=[*begin, *end],
        output_padding=more,
    )
    return _activated(call, value)


def _cut_before(padding: str, span: int, stride: int, extra: int | None) -> int:
    """Places that Keras cuts off before the result of a transposed convolution."""
    if padding == "valid":
        return 0
    whole = stride + span - 2 if extra is None else span + span % 2 - 2 + extra
    return span - 1 - min(whole // 2 + whole % 2, span - 1)


def _activated(call: Call, value: str) -> Tensor:
    return activated(call, value, spatial(call, value, call.layer.data_format))
