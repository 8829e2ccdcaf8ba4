"""Graphs executed operator by operator in NumPy: what every pass and every compiled form is held to."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import GraphError
from .graph import Graph
from .types import Array, TensorType


def interpret(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """All values of the graph's nodes by name, for inputs by name.

    Raises
    ------
    GraphError:
        An input is missing or of another type, or parameters are not bound.
    """
    if graph.parameters:
        raise GraphError(f"{graph.name} has unbound parameters, {graph.parameters[0].name} first; use Graph.bind")
    known: dict[str, Array] = {value.name: array for value, array in graph.constants.items()}
    for value in graph.inputs:
        if value.name not in inputs:
            raise GraphError(f"input {value.name} ({value.type}) of {graph.name} is missing")
        array = inputs[value.name]
        if TensorType.of(array) != value.type:
            raise GraphError(f"input {value.name} is {TensorType.of(array)}; {graph.name} takes {value.type}")
        known[value.name] = array
    for node in graph.nodes:
        output = node.op.evaluate(*(known[value.name] for value in node.inputs))
        if TensorType.of(output) != node.output.type:
            raise GraphError(f"{node.output} became {TensorType.of(output)}, not {node.output.type}")
        known[node.name] = output
    return known


def outputs(graph: Graph, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
    """The graph's outputs, in order. Raises what `interpret` does."""
    known = dict(inputs) | interpret(graph, inputs)
    return tuple(known[value.name] for value in graph.outputs)
