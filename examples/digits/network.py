"""A small residual network for images of 8x8: three stages of one basic block."""

from __future__ import annotations

import onnx

from dovetail.networks.layers import Layers
from dovetail.networks.resnet import basic_block

WIDTHS = (16, 32, 48)
CLASSES = 10


def network(seed: int) -> onnx.ModelProto:
    """The network before training; "data" [1, 1, 8, 8] gives "logits" [1, 10]."""
    net = Layers("digits", seed)
    x = net.conv("conv1", net.input("data", (1, 1, 8, 8)), WIDTHS[0], 3, pad=1)
    x = net.relu("relu", net.batch_norm("bn1", x))
    for stage, width in enumerate(WIDTHS, 1):
        x = basic_block(net, f"layer{stage}", x, width, 1 if stage == 1 else 2)
    return net.model(net.classifier(x, CLASSES, pool="avgpool", flat="flatten", name="fc", output="logits"))
