"""How operators are read, a family a file."""

from __future__ import annotations

from . import (
    activations,
    constants,
    control,
    convolution,
    einsum,
    elementwise,
    gathering,
    linear,
    microsoft,
    movement,
    normalisation,
    pooling,
    quantised,
    recurrent,
    reduction,
    resizing,
    softmax,
    sorting,
)

__all__ = [
    "activations",
    "constants",
    "control",
    "convolution",
    "einsum",
    "elementwise",
    "gathering",
    "linear",
    "microsoft",
    "movement",
    "normalisation",
    "pooling",
    "quantised",
    "recurrent",
    "reduction",
    "resizing",
    "softmax",
    "sorting",
]
