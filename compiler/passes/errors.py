"""What the accelerator's passes refuse."""

from __future__ import annotations


class MappingError(ValueError):
    """A loop nest that the machine cannot execute. One line: which nest, which expression, why, and the way out."""
