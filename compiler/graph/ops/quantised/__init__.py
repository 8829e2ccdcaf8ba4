"""Operators on int8, with the arithmetic of the accelerator whatever the target."""

from __future__ import annotations

from .elementwise import QAdd, QRescale
from .linear import QConv2d, QMatmul, Requantise
from .pooling import QAvgPool2d, QMaxPool2d
from .scale import Dequantize, Quantize

__all__ = [
    "Dequantize",
    "QAdd",
    "QAvgPool2d",
    "QConv2d",
    "QMatmul",
    "QMaxPool2d",
    "QRescale",
    "Quantize",
    "Requantise",
]
