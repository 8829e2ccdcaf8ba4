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

    A tensor that one of them gives and another takes in the same bytes is not converted between; reshaping such a one
    changes nothing in memory. Everything else is row-major, with `Pack` and `Unpack` at the edges.

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
        self.rows = {value: value for value in (*graph.inputs, *graph.parameters, *graph.constants)}
        self.packed: dict[Value, list[tuple[Form, Value]]] = {}
        self.filled = set[Value]()
        self.names = {value.name for value in graph.values()}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node.name in self.forms:
                self._accelerated(node, self.forms[node.name])
            elif not (isinstance(node.op, Reshape) and self._reshaped(node)):
                inputs = tuple(self._row_major(value) for value in node.inputs)
                self.nodes.append(replace(node, inputs=inputs))
                self.rows[node.output] = node.output
        outputs = tuple(self._row_major(value) for value in self.graph.outputs)
        return replace(self.graph, nodes=tuple(self.nodes), outputs=outputs)

    def _accelerated(self, node: Node, forms: Forms) -> None:
        inputs = tuple(
            value if form is None else self._in_form(value, form, zeros)
            for value, form, zeros in zip(node.inputs, forms.inputs, forms.zeros, strict=True)
        )
        op = OnAccelerator(op=node.op, inputs=forms.inputs, output=forms.output, result=node.name)
        output = self._value(node.name, forms.output.packed)
        self.nodes.append(Node(op, inputs, output, node.origin))
        self.packed[node.output] = [(forms.output, output)]

    def _reshaped(self, node: Node) -> bool:
        """The output is the packed input, seen in another shape; False where that is not packed."""
        if node.inputs[0] in self.rows:
            return False
        kind = node.output.type
        self.packed[node.output] = [
            (replace(form, type=kind), value)
            for form, value in self.packed[node.inputs[0]]
            if isinstance(form, Packing)
        ]
        return True

    def _in_form(self, value: Value, form: Form, zeros: bool) -> Value:
        known = self.packed.setdefault(value, [])
        for there, packed in known:
            if zeros and packed not in self.filled:
                continue
            if there == form:
                return packed
            if isinstance(there, Packing) and isinstance(form, Packing) and there.same_bytes(form):
                return packed
        source = self._row_major(value)
        packed = self._value(value.name, form.packed)
        self.filled.add(packed)
        self.nodes.append(Node(Pack(form=form), (source,), packed))
        known.append((form, packed))
        return packed

    def _row_major(self, value: Value) -> Value:
        if value not in self.rows:
            form, packed = self.packed[value][0]
            assert isinstance(form, Packing)
            self.nodes.append(Node(Unpack(form=form), (packed,), value))
            self.rows[value] = value
        return self.rows[value]

    def _value(self, name: str, kind: TensorType) -> Value:
        wanted, number = f"{name}.packed", 1
        while wanted in self.names:
            number += 1
            wanted = f"{name}.packed{number}"
        self.names.add(wanted)
        return Value(wanted, kind)
