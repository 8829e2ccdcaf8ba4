"""Errors of the graph level."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError


class GraphError(CompileError):
    """A graph is not well formed, or an operator cannot take its operands."""
