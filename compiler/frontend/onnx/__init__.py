"""Models in ONNX's format."""

from __future__ import annotations

from .api import from_onnx

__all__ = ["from_onnx"]
