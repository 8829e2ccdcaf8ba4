"""The error that all operators raise."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class OperatorError(CompileError):
    """An operator makes no sense, or cannot be made to fit a machine. One line: what, where, the limit, the way out."""
