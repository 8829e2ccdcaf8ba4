"""Data layouts: tensors between operators on the accelerator stay packed, and what crosses to the CPU is converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.layout import OnAccelerator, Pack, Unpack
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.packing import Form, Packing
from dovetail.compiler.graph.types import TensorType


@dataclass(frozen=True)
class Forms:
    """How an operator on the accelerator takes its operands and gives its output.

    Attributes
    ----------
    inputs:
        None for constants, which are packed when it is compiled.
    zeros:
        Whether what fills an operand up must be 0, which what an operator leaves there is not.
    """

    inputs: tuple[Form | None, ...]
    zeros: tuple[bool, ...]
    output: Packing


def lay_out(graph: Graph, forms: Mapping[str, Forms]) -> Graph:
    """The graph with its operators on the accelerator working on packed tensors.

    A tensor that one of them gives and another takes in the same bytes is not converted between, not even where it is
    reshaped on the way. Everything else is row-major, with `Pack` and `Unpack` at the edges.

    Parameters
    ----------
    forms:
        Of the nodes that are on the accelerator, by name.
    """
    return _LayOut(graph, forms).run()


class _LayOut:
    def __init__(self, graph: Graph, forms: Mapping[str, Forms]) -> None:
        self.graph, self.forms = graph, forms
        self.nodes: list[Node] = []
        self.rows = {*graph.inputs, *graph.parameters, *graph.constants}
        self.reshapes: dict[Value, Node] = {}
        self.packed: dict[Value, list[tuple[Form, Value]]] = {}
        self.filled = set[Value]()
        self.names = {value.name for value in graph.values()}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node.name in self.forms:
                self._accelerated(node, self.forms[node.name])
            elif isinstance(node.op, Reshape):
                self._reshaped(node)
            else:
                inputs = tuple(self._row_major(value) for value in node.inputs)
                self.nodes.append(replace(node, inputs=inputs))
                self.rows.add(node.output)
        outputs = tuple(self._row_major(value) for value in self.graph.outputs)
        return replace(self.graph, nodes=tuple(self.nodes), outputs=outputs)

    def _accelerated(self, node: Node, forms: Forms) -> None:
        inputs = [
            (None, value) if form is None else self._in_form(value, form, zeros)
            for value, form, zeros in zip(node.inputs, forms.inputs, forms.zeros, strict=True)
        ]
        taken = tuple(form for form, _ in inputs)
        op = OnAccelerator(op=node.op, inputs=taken, output=forms.output, result=node.name)
        output = self._value(node.name, forms.output.packed)
        self.nodes.append(Node(op, tuple(value for _, value in inputs), output, node.origin))
        self.packed[node.output] = [(forms.output, output)]

    def _reshaped(self, node: Node) -> None:
        """The output is the input, packed or not, seen in another shape."""
        self.reshapes[node.output] = node
        self.packed[node.output] = [
            (replace(form, type=node.output.type), value)
            for form, value in self.packed.get(node.inputs[0], [])
            if isinstance(form, Packing)
        ]

    def _in_form(self, value: Value, form: Form, zeros: bool) -> tuple[Form, Value]:
        """`value` packed in the same bytes as by `form`, and how."""
        known = self.packed.setdefault(value, [])
        for there, packed in known:
            if zeros and packed not in self.filled:
                continue
            if _same_bytes(there, form):
                return there, packed
        source = self._row_major(value)
        packed = self._value(value.name, form.packed)
        self.filled.add(packed)
        self.nodes.append(Node(Pack(form=form), (source,), packed))
        known.append((form, packed))
        return form, packed

    def _row_major(self, value: Value) -> Value:
        """`value` itself, after a node that gives it where there is none yet."""
        if value in self.rows:
            return value
        if value in self.reshapes:
            node = self.reshapes[value]
            self.nodes.append(replace(node, inputs=(self._row_major(node.inputs[0]),)))
        else:
            form, packed = self.packed[value][0]
            assert isinstance(form, Packing)
            self.nodes.append(Node(Unpack(form=form), (packed,), value))
        self.rows.add(value)
        return value

    def _value(self, name: str, kind: TensorType) -> Value:
        wanted, number = f"{name}.packed", 1
        while wanted in self.names:
            number += 1
            wanted = f"{name}.packed{number}"
        self.names.add(wanted)
        return Value(wanted, kind)


def _same_bytes(one: Form, other: Form) -> bool:
    return one.same_bytes(other) if isinstance(one, Packing) and isinstance(other, Packing) else one == other
