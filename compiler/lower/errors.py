"""What lowering refuses."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class LoweringError(CompileError):
    """A schedule that no loop program can follow."""


class TensorizeError(LoweringError):
    """Loops that are not what the intrinsic computes."""
