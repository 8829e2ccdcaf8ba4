"""What the accelerator's code generator refuses."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class CodegenError(CompileError):
    """A loop program cannot become instructions. One line: what, where, the limit and the way out."""
