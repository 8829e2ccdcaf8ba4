"""Residual networks: He et al., Deep Residual Learning for Image Recognition (2015), in torchvision's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import Layers
from .samples import images
from .statistics import with_statistics

if TYPE_CHECKING:
    import onnx

WIDTHS = (64, 128, 256, 512)
CLASSES = 1000
BRANCH_GAIN, BRANCH_OFFSET, SHORTCUT_GAIN = 0.5, 0.5, 0.25
"""Of the normalisations before an addition: a sum should have a larger range than what passes by the block."""


def resnet18(seed: int | None = 0, *, batch: int = 1, size: int = 224) -> onnx.ModelProto:
    """ResNet-18, of basic blocks.

    Parameters
    ----------
    seed:
        Of the weights; None makes them all 0, for what needs only shapes.
    size:
        Height and width of the images; the input is "data" [batch, 3, size, size], the output "logits".

    Raises
    ------
    NetworkError:
        A package that it takes is not installed.
    """
    return _resnet("resnet18", (2, 2, 2, 2), seed, batch, size, bottleneck=False)


def resnet50(seed: int | None = 0, *, batch: int = 1, size: int = 224) -> onnx.ModelProto:
    """ResNet-50, of bottleneck blocks whose 3x3 convolution has the stride; otherwise as `resnet18`."""
    return _resnet("resnet50", (3, 4, 6, 3), seed, batch, size, bottleneck=True)


def _resnet(
    name: str, blocks: tuple[int, ...], seed: int | None, batch: int, size: int, *, bottleneck: bool
) -> onnx.ModelProto:
    net = Layers(name, seed)
    data = net.input("data", (batch, 3, size, size))
    x = net.conv("conv1", data, WIDTHS[0], 7, stride=2, pad=3)
    x = net.relu("relu", net.batch_norm("bn1", x))
    x = net.max_pool("maxpool", x, 3, stride=2, pad=1)
    block = _bottleneck if bottleneck else basic_block
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            x = block(net, f"layer{stage}.{index}", x, width, stride)
    output = net.classifier(x, CLASSES, pool="avgpool", flat="flatten", name="fc", output="logits")
    return with_statistics(net.model(output), None if seed is None else images(seed, size))


def basic_block(net: Layers, name: str, x: str, width: int, stride: int) -> str:
    """Two 3x3 convolutions, the first with the stride, and what passes them by."""
    y = net.conv(f"{name}.conv1", x, width, 3, stride=stride, pad=1)
    y = net.relu(f"{name}.relu1", net.batch_norm(f"{name}.bn1", y))
    y = net.conv(f"{name}.conv2", y, width, 3, pad=1)
    return _joined(net, name, x, net.batch_norm(f"{name}.bn2", y, BRANCH_GAIN, BRANCH_OFFSET), stride)


def _bottleneck(net: Layers, name: str, x: str, width: int, stride: int) -> str:
    y = net.conv(f"{name}.conv1", x, width, 1)
    y = net.relu(f"{name}.relu1", net.batch_norm(f"{name}.bn1", y))
    y = net.conv(f"{name}.conv2", y, width, 3, stride=stride, pad=1)
    y = net.relu(f"{name}.relu2", net.batch_norm(f"{name}.bn2", y))
    y = net.conv(f"{name}.conv3", y, 4 * width, 1)
    return _joined(net, name, x, net.batch_norm(f"{name}.bn3", y, BRANCH_GAIN, BRANCH_OFFSET), stride)


def _joined(net: Layers, name: str, x: str, branch: str, stride: int) -> str:
    """The branch added to `x`, which a 1x1 convolution first brings to the branch's shape where it has another."""
    channels = net.channels(branch)
    if stride != 1 or net.channels(x) != channels:
        x = net.conv(f"{name}.downsample.0", x, channels, 1, stride=stride)
        x = net.batch_norm(f"{name}.downsample.1", x, SHORTCUT_GAIN)
    return net.relu(f"{name}.relu", net.add(f"{name}.add", branch, x))
