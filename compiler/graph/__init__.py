"""Graphs of operators: what models become, and what is optimised as a whole before operators are compiled."""

from __future__ import annotations

from .errors import GraphError
from .graph import Builder, Graph, Node, Value
from .op import Op
from .types import TensorType

__all__ = ["Builder", "Graph", "GraphError", "Node", "Op", "TensorType", "Value"]
