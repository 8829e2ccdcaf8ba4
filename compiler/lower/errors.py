"""What lowering refuses."""

from __future__ import annotations


class LoweringError(ValueError):
    """A schedule that no loop program can follow."""


class TensorizeError(LoweringError):
    """Loops that are not what the intrinsic computes."""
