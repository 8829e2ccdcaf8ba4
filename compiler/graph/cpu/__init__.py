"""Nodes of a graph as functions for a CPU."""

from __future__ import annotations

from .kernel import CpuKernel, compile_node

__all__ = ["CpuKernel", "compile_node"]
