"""Front ends: models from other tools become graphs, and float models quantised ones."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {"from_keras": ".keras", "from_onnx": ".onnx", "quantise": ".quantising"}

__all__ = ["from_keras", "from_onnx", "quantise"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
