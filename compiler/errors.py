"""What all errors of the compiler have in common."""

from __future__ import annotations


class CompileError(ValueError):
    """What the user asked for cannot be compiled. The message is one line: what, where, the limit and the way out."""
