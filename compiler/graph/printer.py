"""Graphs as text: a line a node."""

from __future__ import annotations

import numpy as np

from .graph import Graph, Node, Value
from .types import Array

SHOWN = 8
"""Elements of a constant that are shown; of larger ones only the range."""


def graph_text(graph: Graph) -> str:
    """The whole graph."""
    inputs = ", ".join(f"{value}: {value.type}" for value in graph.inputs)
    lines = [f"graph {graph.name}({inputs}) {{"]
    lines += [f"    {value}: {value.type} = parameter" for value in graph.parameters]
    lines += [f"    {value}: {value.type} = {_contents(array)}" for value, array in graph.constants.items()]
    lines += [f"    {node_text(node)}" for node in graph.nodes]
    lines += [f"    return {_names(graph.outputs)}", "}"]
    return "\n".join(lines)


def node_text(node: Node) -> str:
    """One node."""
    attributes = node.op.attributes()
    return f"{node.output}: {node.output.type} = {node.op.name}({_names(node.inputs)}" + (
        f"; {attributes})" if attributes else ")"
    )


def _names(values: tuple[Value, ...]) -> str:
    return ", ".join(map(str, values))


def _contents(array: Array) -> str:
    if array.size <= SHOWN:
        return np.array2string(array, separator=", ", threshold=SHOWN).replace("\n", "")
    if array.dtype == bool:
        return "constant"
    return f"constant, {array.min():.6g} to {array.max():.6g}"
