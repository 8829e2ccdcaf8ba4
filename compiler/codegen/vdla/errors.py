"""What the accelerator's code generator refuses."""

from __future__ import annotations


class CodegenError(ValueError):
    """A loop program cannot become instructions. One line: what, where, the limit and the way out."""
