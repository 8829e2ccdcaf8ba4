"""What goes wrong with programs for the CPU."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class CodegenError(CompileError):
    """A program that cannot be compiled for this target; one line: what, where, the way out."""


class ArgumentError(CompileError):
    """An array that a compiled program cannot take; one line that names the argument and what it should be."""
