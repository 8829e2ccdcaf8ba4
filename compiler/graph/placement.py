"""Which operators run on the accelerator, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dovetail.isa.config import Config

from .graph import Graph, Node, Value
from .ops.movement import Reshape
from .ops.quantised import Dequantize
from .vdla.support import why_not

ALONE = "nothing beside it runs on the accelerator, and moving its tensors there costs more than it does"

NOT_INT8 = "float32 though its operands are int8: the accelerator takes weights with zero point 0, and scales near one"


def reasons_for_cpu(graph: Graph, config: Config) -> Mapping[str, str]:
    """For each node that stays on the CPU the reason, by name; the others run on the accelerator.

    Operators without products only go where a neighbour already is: their tensors are packed anyway then.
    """
    reasons = {
        node.name: reason for node in graph.nodes if (reason := why_not(node, graph.constants, config)) is not None
    }
    producers = graph.producers
    for node in graph.nodes:
        sources = [producers[value].op for value in node.inputs if value in producers]
        if node.name in reasons and node.macs and any(isinstance(op, Dequantize) for op in sources):
            reasons[node.name] = NOT_INT8
    neighbours = _neighbours(graph)
    waiting = [node for node in graph.nodes if node.macs and node.name not in reasons]
    there = {node.name for node in waiting}
    while waiting:
        for other in neighbours[waiting.pop().output]:
            if other.name not in reasons and other.name not in there:
                there.add(other.name)
                waiting.append(other)
    alone = {node.name: ALONE for node in graph.nodes if node.name not in there}
    return MappingProxyType(alone | reasons)


def _neighbours(graph: Graph) -> dict[Value, tuple[Node, ...]]:
    """The nodes that give what a node reads or read what it gives, looking through reshapes."""
    producers, consumers = graph.producers, graph.consumers

    def before(value: Value) -> list[Node]:
        node = producers.get(value)
        if node is None:
            return []
        return before(node.inputs[0]) if isinstance(node.op, Reshape) else [node]

    def after(value: Value) -> list[Node]:
        found = []
        for node in consumers[value]:
            found += after(node.output) if isinstance(node.op, Reshape) else [node]
        return found

    return {
        node.output: (*(one for value in node.inputs for one in before(value)), *after(node.output))
        for node in graph.nodes
    }
