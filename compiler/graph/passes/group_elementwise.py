"""Cheap operators, and what reads their only result, become one: what is between them stays in registers."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.elementwise import Binary, Cast, Clip, Unary, Where
from dovetail.compiler.graph.ops.fused import fused_node
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.movement import Expand, Slice, Transpose
from dovetail.compiler.graph.ops.quantised import Dequantize, QAdd, QRescale, Quantize, Requantise
from dovetail.compiler.graph.ops.reduction import Reduce

ELEMENTWISE = (Unary, Binary, Where, Cast, Clip, QAdd, QRescale, Quantize, Dequantize, Requantise)
MOVEMENT = (Transpose, Expand, Slice)
"""What only says which element is read."""
SIMPLE = ("abs", "neg", "sign", "relu", "not", "bitwise_not")
"""Functions that may rather be computed twice than kept."""
MOST = 24
"""Operators of a group."""


def group_elementwise(graph: Graph) -> Graph:
    """`graph` with groups of neighbouring operators as `Fused`.

    A group ends in an operator on single elements, a movement or a reduction. What it reads joins it if nobody else
    reads that, and if no element would be computed more often than before. A float convolution or product with
    constant weights is joined by the bias and the ReLU behind it.
    """
    return _Grouping(graph).run()


class _Grouping:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producers, self.consumers = graph.producers, graph.consumers
        self.taken: set[Value] = set()

    def run(self) -> Graph:
        groups: dict[Value, list[Node]] = {}
        for node in self.graph.nodes:
            self._finishing(node, groups)
        for node in reversed(self.graph.nodes):
            if node.output not in self.taken and isinstance(node.op, (*ELEMENTWISE, *MOVEMENT, Reduce)):
                members = self._group(node)
                if len(members) > 1:
                    groups[node.output] = members
                    self.taken.update(member.output for member in members)
        inside = {member.output for root, members in groups.items() for member in members if member.output != root}
        nodes = [
            fused_node(groups[node.output]) if node.output in groups else node
            for node in self.graph.nodes
            if node.output not in inside
        ]
        return replace(self.graph, nodes=tuple(nodes))

    def _group(self, root: Node) -> list[Node]:
        """The group that ends in `root`, in the order of execution."""
        members = {root.output: root}
        waiting = [root]
        while waiting and len(members) < MOST:
            reader = waiting.pop()
            for value in reader.inputs:
                node = self.producers.get(value)
                if node is not None and value not in members and self._joins(node, members):
                    members[value] = node
                    waiting.append(node)
        return [node for node in self.graph.nodes if node.output in members]

    def _joins(self, node: Node, members: dict[Value, Node]) -> bool:
        if node.output in self.taken or node.output in self.graph.outputs or not node.output.type.size:
            return False
        readers = self.consumers[node.output]
        if not isinstance(node.op, (*ELEMENTWISE, *MOVEMENT)) or any(one.output not in members for one in readers):
            return False
        reads = sum(one.inputs.count(node.output) for one in readers)
        if reads > 1 and not _is_simple(node.op):
            return False
        return all(node.output.type.size >= _evaluations(one) for one in readers)

    def _finishing(self, node: Node, groups: dict[Value, list[Node]]) -> None:
        """Makes a group of a convolution or product and the bias and the ReLU behind it."""
        if not isinstance(node.op, Conv | MatMul) or any(
            value not in self.graph.constants for value in node.inputs[1:]
        ):
            return
        members = [node]
        if isinstance(node.op, MatMul):
            behind = self._behind(node)
            if behind is not None and self._is_bias(behind, node):
                members.append(behind)
        behind = self._behind(members[-1])
        if behind is not None and behind.op == Unary(function="relu"):
            members.append(behind)
        if len(members) > 1 and node.output.type.dtype == "float32":
            groups[members[-1].output] = members
            self.taken.update(member.output for member in members)

    def _behind(self, node: Node) -> Node | None:
        """The only reader of a node's output."""
        readers = self.consumers[node.output]
        return readers[0] if len(readers) == 1 and node.output not in self.graph.outputs else None

    def _is_bias(self, node: Node, product: Node) -> bool:
        others = [value for value in node.inputs if value != product.output]
        return (
            node.op == Binary(function="add")
            and len(others) == 1
            and others[0] in self.graph.constants
            and product.inputs[1].type.rank == 2
            and others[0].type.shape == product.output.type.shape[-1:]
        )


def _evaluations(node: Node) -> int:
    """How often a node reads an operand that has as many elements as there are to read."""
    return node.inputs[0].type.size if isinstance(node.op, Reduce) else node.output.type.size


def _is_simple(op: Op) -> bool:
    if isinstance(op, Unary):
        return op.function in SIMPLE
    if isinstance(op, Binary):
        return op.function not in ("div", "mod", "fmod", "pow")
    return isinstance(op, (Where, Cast, Clip, Dequantize, *MOVEMENT))
