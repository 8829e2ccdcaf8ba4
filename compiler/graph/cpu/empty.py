"""Operands without elements, of which tensor expressions know nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.ops.elementwise import Cast
from dovetail.compiler.graph.ops.movement import Concat
from dovetail.compiler.graph.types import Array


def without_empty(node: Node, constants: Mapping[Value, Array]) -> tuple[Node, Mapping[Value, Array]]:
    """A node with the same output, and constants for it, that reads no empty operand.

    Raises
    ------
    GraphError:
        What is not empty is not known before it runs.
    """
    if all(value.type.size for value in node.inputs):
        return node, constants
    if isinstance(node.op, Concat):
        return replace(node, inputs=tuple(value for value in node.inputs if value.type.size)), constants
    known = [
        constants.get(value, None if value.type.size else np.empty(value.type.shape, value.type.numpy))
        for value in node.inputs
    ]
    arrays = [array for array in known if array is not None]
    if len(arrays) < len(known):
        raise GraphError(f"{node.output}: {node.op.name} of an operand without elements and one that is not constant")
    result = Value(f"{node.name}.value", node.output.type)
    copy = Node(Cast(dtype=node.output.type.dtype), (result,), node.output, node.origin)
    return copy, {result: node.op.evaluate(*arrays)}
