"""Operators that move elements and compute nothing."""

from __future__ import annotations

from .gathering import Gather, GatherElements, GatherND
from .pieces import Concat, Pad, Slice, Tile
from .shapes import Expand, Reshape, Transpose

__all__ = [
    "Concat",
    "Expand",
    "Gather",
    "GatherElements",
    "GatherND",
    "Pad",
    "Reshape",
    "Slice",
    "Tile",
    "Transpose",
]
