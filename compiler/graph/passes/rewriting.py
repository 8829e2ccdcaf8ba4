"""What passes share: a graph being rewritten node by node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType

OpType = TypeVar("OpType", bound=Op)


class Rewriter:
    """Reads a graph and writes the one that replaces it.

    A pass goes through `graph.nodes` in order, and for each node either `keep`s it or `emit`s others, the last of which
    gives the same output. What nothing reads any more is left out at the end, so a matched pattern's other nodes may
    be kept too.

    Parameters
    ----------
    graph:
        What is read.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.producers = graph.producers
        self._constants = dict(graph.constants)
        self._old = graph.producers
        self._readers = graph.consumers
        self._names = {value.name for value in graph.values()}
        self._now: dict[Value, Value] = {}
        self._renamed: dict[Value, Value] = {}

    def contents(self, value: Value) -> Array | None:
        """The contents of a constant; None for other values."""
        return self._constants.get(self.current(value))

    def current(self, value: Value) -> Value:
        """What stands for `value` by now."""
        while value in self._now:
            value = self._now[value]
        return value

    def producer(self, value: Value, kind: type[OpType]) -> tuple[Node, OpType] | None:
        """The node that gives `value` and its operator, if it is one of `kind`."""
        node = self.producers.get(self.current(value))
        return (node, node.op) if node is not None and isinstance(node.op, kind) else None

    def private(self, value: Value) -> bool:
        """Whether one node of the old graph reads `value`, at one operand, and nothing else does."""
        readers = self._readers.get(value, ())
        return len(readers) == 1 and readers[0].inputs.count(value) == 1 and value not in self.graph.outputs

    def readers(self, value: Value) -> tuple[Node, ...]:
        """The nodes of the old graph that read `value`."""
        return self._readers.get(value, ())

    def old(self, value: Value) -> Node | None:
        """The node of the old graph that gives `value`."""
        return self._old.get(value)

    def constant(self, array: Array, name: str) -> Value:
        """A new constant with a name like `name`."""
        value = Value(self.unique(name), TensorType.of(array))
        self._constants[value] = array
        return value

    def emit(
        self, op: Op, inputs: Sequence[Value], output: Value | str, origin: Iterable[str | tuple[str, ...]] = ()
    ) -> Value:
        """The output of a new node.

        Parameters
        ----------
        output:
            A value that it takes over from an old node, or what a new one's name should be like.
        origin:
            Names, or the names of nodes that it replaces.

        Raises
        ------
        GraphError:
            The operator cannot take these operands.
        """
        now = tuple(map(self.current, inputs))
        if isinstance(output, str):
            output = Value(self.unique(output), op.infer(*(value.type for value in now)))
        names: dict[str, None] = {}
        for part in origin:
            names.update(dict.fromkeys((part,) if isinstance(part, str) else part))
        node = Node(op, now, output, tuple(names))
        self.nodes.append(node)
        self.producers[output] = node
        return output

    def keep(self, node: Node) -> None:
        """Takes a node over, reading what stands for its operands by now."""
        self.emit(node.op, node.inputs, node.output, node.origin)

    def replace(self, old: Value, new: Value) -> None:
        """From here on `new` stands for `old`, and at the graph's outputs too."""
        self._now[old] = self.current(new)

    def rename(self, old: Value, new: Value) -> bool:
        """Has the node that gives `old` give it as `new`, the output of a node which is then not kept.

        False, and nothing done, where `old` has to keep its name: no node gives it, it is an output of the graph, or it
        is renamed already.
        """
        node = self.producers.get(self.current(old))
        if node is None or node.output in self.graph.outputs or node.output in self._renamed:
            return False
        self._renamed[node.output] = new
        self.producers[new] = node
        return True

    def fold(self, value: Value, array: Array) -> None:
        """Makes a constant of the output of a node, which is then not kept."""
        self._constants[value] = array
        self.producers.pop(value, None)

    def finish(self) -> Graph:
        """The new graph, without what nothing reads."""
        names = self._renamed
        nodes = tuple(
            replace(
                node,
                inputs=tuple(names.get(value, value) for value in node.inputs),
                output=names.get(node.output, node.output),
            )
            for node in self.nodes
        )
        outputs = tuple(map(self.current, self.graph.outputs))
        return pruned(replace(self.graph, outputs=outputs, nodes=nodes, constants=self._constants))

    def unique(self, name: str) -> str:
        """`name`, with a number behind it where it is taken."""
        result, number = name, 0
        while result in self._names:
            number += 1
            result = f"{name}_{number}"
        self._names.add(result)
        return result


def infers(op: Op, *inputs: Value) -> TensorType | None:
    """The type that `op` gives of these operands; None if it cannot take them."""
    try:
        op.check_operands(len(inputs))
        return op.infer(*(value.type for value in inputs))
    except GraphError:
        return None


def is_per_channel(shape: Sequence[int], result: Sequence[int], axis: int) -> bool:
    """Whether an operand of `shape`, broadcast to `result`, has one element for all or one for each index on `axis`."""
    whole = (1,) * (len(result) - len(shape)) + tuple(shape)
    return len(whole) == len(result) and all(
        extent == 1 or (at == axis and extent == result[axis]) for at, extent in enumerate(whole)
    )


def pruned(graph: Graph) -> Graph:
    """The graph without nodes and constants that no output needs. Inputs and parameters stay."""
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    constants = {value: array for value, array in graph.constants.items() if value in needed}
    return replace(graph, nodes=tuple(reversed(kept)), constants=constants)
