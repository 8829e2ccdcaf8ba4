"""An order of execution in which the accelerator is started seldom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.ops.layout import OnAccelerator


def cluster(graph: Graph) -> Graph:
    """The graph with nodes on the accelerator next to one another as far as their operands allow; else in order."""
    numbers = {node.output: number for number, node in enumerate(graph.nodes)}
    waits = [sum(value in numbers for value in set(node.inputs)) for node in graph.nodes]
    consumers = graph.consumers
    ready: dict[bool, list[int]] = {False: [], True: []}

    def add(found: Iterable[int]) -> None:
        for number in found:
            if not waits[number]:
                heappush(ready[isinstance(graph.nodes[number].op, OnAccelerator)], number)

    add(range(len(graph.nodes)))
    done: list[Node] = []
    on_accelerator = False
    while ready[False] or ready[True]:
        if not ready[on_accelerator]:
            on_accelerator = not on_accelerator
        node = graph.nodes[heappop(ready[on_accelerator])]
        done.append(node)
        behind = [numbers[reader.output] for reader in consumers[node.output]]
        for number in behind:
            waits[number] -= 1
        add(behind)
    return replace(graph, nodes=tuple(done))
