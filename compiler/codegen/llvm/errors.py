"""What goes wrong with programs for the CPU."""

from __future__ import annotations


class CodegenError(ValueError):
    """A program that cannot be compiled for this target; one line: what, where, the way out."""


class ArgumentError(ValueError):
    """An array that a compiled program cannot take; one line that names the argument and what it should be."""
