"""The graph: operators in the order of execution, and the values between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from .errors import GraphError
from .op import Op
from .types import Array, TensorType


@dataclass(frozen=True)
class Value:
    """A tensor in a graph, known by its name."""

    name: str
    type: TensorType

    def __str__(self) -> str:
        return f"%{self.name}"


@dataclass(frozen=True)
class Node:
    """An operator with its operands and its output.

    Attributes
    ----------
    origin:
        Names of the model's nodes that it came from.
    """

    op: Op
    inputs: tuple[Value, ...]
    output: Value
    origin: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.output.name

    @property
    def macs(self) -> int:
        return self.op.macs(self.output.type, *(value.type for value in self.inputs))


@dataclass(frozen=True)
class Graph:
    """A computation on tensors.

    Attributes
    ----------
    inputs:
        What a run is given.
    parameters:
        What is known before it is built: weights. `bind` makes constants of them.
    constants:
        Values whose contents are known.
    nodes:
        Each after those whose outputs it reads.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    parameters: tuple[Value, ...] = ()
    constants: Mapping[Value, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    def bind(self, params: Mapping[str, Array]) -> Graph:
        """The graph with its parameters as constants.

        Raises
        ------
        GraphError:
            One is missing, unknown, or of another type.
        """
        known = {value.name: value for value in self.parameters}
        for name in params:
            if name not in known:
                raise GraphError(f"{self.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}")
        constants = dict(self.constants)
        for name, value in known.items():
            if name not in params:
                raise GraphError(f"parameter {name} ({value.type}) of {self.name} is missing")
            if TensorType.of(params[name]) != value.type:
                raise GraphError(f"parameter {name} is {TensorType.of(params[name])}; {self.name} takes {value.type}")
            constants[value] = params[name]
        return replace(self, parameters=(), constants=constants)

    @property
    def producers(self) -> dict[Value, Node]:
        """The node that gives each value."""
        return {node.output: node for node in self.nodes}

    @property
    def consumers(self) -> dict[Value, tuple[Node, ...]]:
        """The nodes that read each value, in order; a node that reads it twice is there once."""
        found: dict[Value, list[Node]] = {value: [] for value in self.values()}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found[value].append(node)
        return {value: tuple(nodes) for value, nodes in found.items()}

    def values(self) -> Iterator[Value]:
        """All values: inputs, parameters, constants, then outputs of nodes."""
        yield from self.inputs
        yield from self.parameters
        yield from self.constants
        for node in self.nodes:
            yield node.output

    def __str__(self) -> str:
        from .printer import graph_text

        return graph_text(self)


class Builder:
    """Puts a graph together, node by node; types are inferred and names made unique.

    Parameters
    ----------
    name:
        Of the graph.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.parameters: dict[Value, Array] = {}
        self.constants: dict[Value, Array] = {}
        self.nodes: list[Node] = []
        self._names: set[str] = set()
        self._next: dict[str, int] = {}

    def input(self, name: str, shape: Sequence[int], dtype: str) -> Value:
        """An input of the graph."""
        value = Value(self.unique(name), TensorType(tuple(shape), dtype))
        self.inputs.append(value)
        return value

    def parameter(self, name: str, array: Array) -> Value:
        """A weight, whose contents go to `Graph.bind` later."""
        value = Value(self.unique(name), TensorType.of(array))
        self.parameters[value] = array
        return value

    def constant(self, array: Array, name: str = "const") -> Value:
        """A value whose contents are known now."""
        value = Value(self.unique(name), TensorType.of(array))
        self.constants[value] = array
        return value

    def node(self, op: Op, *inputs: Value, name: str = "", origin: Sequence[str] = ()) -> Value:
        """The output of a new node.

        Parameters
        ----------
        name:
            Of the output; by default made from the operator's.

        Raises
        ------
        GraphError:
            The operator cannot take these operands.
        """
        op.check_operands(len(inputs))
        output = Value(self.unique(name or op.name), op.infer(*(value.type for value in inputs)))
        self.nodes.append(Node(op, tuple(inputs), output, tuple(origin)))
        return output

    def unique(self, name: str) -> str:
        """`name`, with a number behind it where it is taken."""
        result = name
        while result in self._names:
            self._next[name] = self._next.get(name, 0) + 1
            result = f"{name}_{self._next[name]}"
        self._names.add(result)
        return result

    def graph(self, *outputs: Value) -> Graph:
        """The graph that gives `outputs`."""
        return Graph(
            self.name,
            tuple(self.inputs),
            outputs,
            tuple(self.nodes),
            tuple(self.parameters),
            self.constants,
        )
