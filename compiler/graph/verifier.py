"""The rules of a graph."""

from __future__ import annotations

from .errors import GraphError
from .graph import Graph
from .types import TensorType


def verify(graph: Graph) -> Graph:
    """`graph` itself, if it keeps the rules: every value is known before it is read, and of the type that it has.

    Raises
    ------
    GraphError:
        A rule is broken; the message names the graph, the value and the rule.
    """
    known: dict[str, TensorType] = {}

    def define(name: str, kind: TensorType, what: str) -> None:
        if name in known:
            raise GraphError(f"{graph.name}: {what} %{name} is there already; every value has a name of its own")
        known[name] = kind

    for value in (*graph.inputs, *graph.parameters):
        define(value.name, value.type, "input")
    for value, array in graph.constants.items():
        define(value.name, value.type, "constant")
        if TensorType.of(array) != value.type:
            raise GraphError(f"{graph.name}: constant {value} is declared {value.type}, but is {TensorType.of(array)}")
    for node in graph.nodes:
        for value in node.inputs:
            if known.get(value.name) != value.type:
                state = f"is {known[value.name]} there" if value.name in known else "is not known before it"
                raise GraphError(f"{graph.name}: {node.output} reads {value} ({value.type}), which {state}")
        try:
            node.op.check_operands(len(node.inputs))
            inferred = node.op.infer(*(value.type for value in node.inputs))
        except GraphError as error:
            raise GraphError(f"{graph.name}: {node.output}: {error}") from None
        if inferred != node.output.type:
            raise GraphError(
                f"{graph.name}: {node.output} is declared {node.output.type}; its operator gives {inferred}"
            )
        define(node.output.name, node.output.type, "output of a node")
    for value in graph.outputs:
        if known.get(value.name) != value.type:
            raise GraphError(f"{graph.name}: output {value} ({value.type}) is not computed")
    return graph
