"""MobileNetV2: Sandler et al., Inverted Residuals and Linear Bottlenecks (2018), in torchvision's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import Layers
from .samples import images
from .statistics import with_statistics

if TYPE_CHECKING:
    import onnx

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first: table 2 of the paper."""

FIRST, LAST, CLASSES = 32, 1280, 1000


def mobilenetv2(seed: int | None = 0, *, batch: int = 1, size: int = 224) -> onnx.ModelProto:
    """MobileNetV2 of width 1; parameters as of `resnet18`."""
    net = Layers("mobilenetv2", seed)
    x = _convolved(net, "features.0", net.input("data", (batch, 3, size, size)), FIRST, 3, stride=2)
    number = 1
    for expansion, channels, count, first_stride in STAGES:
        for index in range(count):
            x = _block(net, f"features.{number}", x, expansion, channels, first_stride if index == 0 else 1)
            number += 1
    x = _convolved(net, f"features.{number}", x, LAST, 1)
    output = net.classifier(x, CLASSES, pool="avgpool", flat="flatten", name="classifier.1", output="logits")
    return with_statistics(net.model(output), None if seed is None else images(seed, size))


def _block(net: Layers, name: str, x: str, expansion: int, channels: int, stride: int) -> str:
    depth = net.channels(x)
    hidden = depth * expansion
    y = x if expansion == 1 else _convolved(net, f"{name}.expand", x, hidden, 1)
    y = _convolved(net, f"{name}.depthwise", y, hidden, 3, stride=stride, groups=hidden)
    y = net.batch_norm(f"{name}.project.bn", net.conv(f"{name}.project.conv", y, channels, 1))
    return net.add(f"{name}.add", x, y) if stride == 1 and depth == channels else y


def _convolved(net: Layers, name: str, x: str, channels: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
    """Convolution, batch normalisation, ReLU6."""
    y = net.conv(f"{name}.conv", x, channels, kernel, stride=stride, pad=kernel // 2, groups=groups)
    return net.relu6(f"{name}.relu6", net.batch_norm(f"{name}.bn", y))
