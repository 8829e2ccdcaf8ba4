"""Several operators as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Builder, Graph, Node, Value
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType


@dataclass(frozen=True, kw_only=True)
class Fused(Op):
    """Operators that one function computes, so that what is between them need not go through memory.

    Attributes
    ----------
    graph:
        What is computed, from the operands, in order, to one output. All that is constant is an operand.
    """

    operands: ClassVar[tuple[int, int | None]] = (0, None)

    graph: Graph

    def __hash__(self) -> int:
        return hash((self.graph.inputs, self.graph.nodes))

    def attributes(self) -> str:
        return expression_text(self.graph)

    def infer(self, *types: TensorType) -> TensorType:
        wanted = tuple(value.type for value in self.graph.inputs)
        if types != wanted:
            raise GraphError(f"{self.name} takes {', '.join(map(str, wanted))}, not {', '.join(map(str, types))}")
        return self.graph.outputs[0].type

    def evaluate(self, *arrays: Array) -> Array:
        names = (value.name for value in self.graph.inputs)
        return outputs(self.graph, dict(zip(names, arrays, strict=True)))[0]

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        known = dict(zip(self.graph.inputs, tensors, strict=True))
        for node in self.graph.nodes:
            known[node.output] = node.op.compute(*(known[value] for value in node.inputs))
        return known[self.graph.outputs[0]]

    def macs(self, output: TensorType, *types: TensorType) -> int:
        return sum(node.macs for node in self.graph.nodes)


def fused_node(nodes: Sequence[Node]) -> Node:
    """One node for several, given in the order of execution; its output is that of the last, which is the only one that
    others read.

    Values inside have new names, so that nodes that do the same are equal but for their operands.
    """
    builder = Builder("fused")
    made = {node.output for node in nodes}
    inside: dict[Value, Value] = {}
    for node in nodes:
        for value in node.inputs:
            if value not in inside and value not in made:
                inside[value] = builder.input(f"x{len(inside)}", value.type.shape, value.type.dtype)
    operands = tuple(inside)
    for node in nodes:
        inside[node.output] = builder.node(node.op, *(inside[value] for value in node.inputs), name="t")
    last = nodes[-1].output
    origin = tuple(dict.fromkeys(name for node in nodes for name in node.origin))
    return Node(Fused(graph=builder.graph(inside[last])), operands, last, origin)


def expression_text(graph: Graph) -> str:
    """A graph of one output as an expression; what is read more than once has a name before it."""
    uses = Counter(value for node in graph.nodes for value in node.inputs)
    texts = {value: value.name for value in graph.inputs}
    named = []
    for node in graph.nodes:
        attributes = node.op.attributes()
        arguments = ", ".join(texts[value] for value in node.inputs)
        text = f"{node.op.name}({arguments}{'; ' if attributes else ''}{attributes})"
        if uses[node.output] > 1:
            named.append(f"{node.name} = {text}")
            text = node.name
        texts[node.output] = text
    return "; ".join([*named, texts[graph.outputs[0]]])
