"""An order of execution in which the accelerator is started seldom."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.layout import OnAccelerator


def cluster(graph: Graph) -> Graph:
    """The graph with nodes on the accelerator next to one another as far as their operands allow; else in order."""
    producers = graph.producers
    waiting = {node.output: node for node in graph.nodes}
    needs = {node.output: {value for value in node.inputs if value in producers} for node in graph.nodes}
    done: list[Node] = []
    known = set[Value]()
    on_accelerator = False
    while waiting:
        alike = [
            node
            for value, node in waiting.items()
            if needs[value] <= known and isinstance(node.op, OnAccelerator) is on_accelerator
        ]
        if not alike:
            on_accelerator = not on_accelerator
            continue
        for node in alike:
            done.append(node)
            known.add(node.output)
            del waiting[node.output]
    return replace(graph, nodes=tuple(done))
