"""Conversions of layers, a family a file. Importing this registers them all."""

from __future__ import annotations

from ..registry import LAYERS
from . import activations, attention, convolution, dense, merging, normalisation, pooling, shapes

__all__ = [
    "LAYERS",
    "activations",
    "attention",
    "convolution",
    "dense",
    "merging",
    "normalisation",
    "pooling",
    "shapes",
]
