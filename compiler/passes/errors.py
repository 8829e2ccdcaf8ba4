"""What the accelerator's passes refuse."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class MappingError(CompileError):
    """A loop nest that the machine cannot execute. One line: which nest, which expression, why, and the way out."""
