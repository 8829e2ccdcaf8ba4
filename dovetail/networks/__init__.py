"""Networks without files: well-known architectures as float ONNX models with seeded weights, and inputs for them."""

from __future__ import annotations

from .errors import NetworkError
from .inputs import calibration
from .mobilenet import mobilenetv2
from .quantised import quantised
from .registry import NETWORKS, network
from .resnet import resnet18, resnet50
from .transformer import transformer

__all__ = [
    "NETWORKS",
    "NetworkError",
    "calibration",
    "mobilenetv2",
    "network",
    "quantised",
    "resnet18",
    "resnet50",
    "transformer",
]
