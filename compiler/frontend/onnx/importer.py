"""From the nodes of a model to those of a graph."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto

from dovetail.compiler.errors import CompileError
from dovetail.compiler.frontend.errors import FrontendError, Problem, UnsupportedModel
from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.compiler.graph.types import Array, TensorType

from .context import NodeContext
from .functions import Functions
from .inputs import declared_types
from .limits import (
    FOLDED_BYTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FOLDED_BYTES,
    MAX_NODES,
    LimitExceeded,
    Unsupported,
    check_type,
)
from .reading import Source, node_name, opsets_of
from .registry import find_handler, first_opset
from .tensors import read_tensor

UNFOLDED = (Quantize, Dequantize)
"""Operators that stay in the graph even on constants: the quantised network is recognised by them."""
MALFORMED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What NumPy and Python raise on attributes that make no sense."""


@dataclass(frozen=True)
class Unknown:
    """A value that could not be imported, for reasons that are reported elsewhere or when it is used."""

    reason: str = ""


Known = Value | Unknown | None


@dataclass(frozen=True)
class Scope:
    """Where nodes stand: in the model, in a function, or in a subgraph.

    Attributes
    ----------
    values:
        By the names that the model gives them here; None for optional inputs of functions that are left out.
    origin:
        The model's node that all this comes from; empty in the model itself.
    path:
        Prefix of names.
    attributes:
        Of the function that this is inside of.
    """

    values: MutableMapping[str, Known]
    opsets: Mapping[str, int]
    origin: str = ""
    path: str = ""
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    depth: int = 0


class Importer:
    """Builds a graph; what cannot be imported is collected, and reported at the end.

    Parameters
    ----------
    source:
        The model, already checked.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.folder = source.folder
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.constants: dict[str, Array] = {}
        self.parameters: dict[str, Array] = {}
        self.problems: list[Problem] = []
        self._functions = Functions(source.proto)
        self._names: set[str] = set()
        self._next: dict[str, int] = {}
        self._scalars: dict[tuple[str, str], Value] = {}
        self._fresh: set[str] = set()
        self._stand_ins: set[str] = set()
        self._declared: dict[str, TensorType] | None = None
        self._visited = 0
        self._bytes = 0
        self._folded = 0

    def reserve(self, names: Iterable[str]) -> None:
        """Keeps names for the model's own values."""
        self._names.update(names)

    def input(self, name: str, kind: TensorType) -> Value:
        """An input of the graph."""
        check_type(kind, f"input {name!r}")
        value = Value(name, kind)
        self.inputs.append(value)
        return value

    def known(self, name: str, array: Array) -> Value:
        """An input whose contents are given."""
        self._spend(array.nbytes, f"input {name!r}")
        self.constants[name] = array
        return Value(name, TensorType.of(array))

    def weight(self, name: str, array: Array) -> Value:
        """An initializer: a parameter, unless it is as small as numbers that shapes are computed from."""
        self._spend(array.nbytes, f"initializer {name!r}")
        small = array.size <= 1 or np.issubdtype(array.dtype, np.int64) or array.dtype == bool
        (self.constants if small else self.parameters)[name] = array
        return Value(name, TensorType.of(array))

    def contents(self, value: Value) -> Array | None:
        """The elements of a value, if they are known."""
        return self.constants.get(value.name, self.parameters.get(value.name))

    def constant(self, array: Array, scope: Scope, name: str = "") -> Value:
        """A value that is known."""
        kind = TensorType.of(array)
        self._spend(array.nbytes, "a constant")
        value = Value(self._unique(f"{scope.path}{name or 'const'}"), kind)
        self.constants[value.name] = np.asarray(array)
        self._fresh.add(value.name)
        return value

    def scalar(self, number: float, dtype: str) -> Value:
        """A number as a constant, one for all that need it."""
        array = np.asarray(number).astype(dtype)
        key = (dtype, array.tobytes().hex())
        if key not in self._scalars:
            value = Value(self._unique(f"{array.item():g}"), TensorType((), dtype))
            self.constants[value.name] = array
            self._scalars[key] = value
        return self._scalars[key]

    def emit(self, op: Op, operands: Sequence[Value], scope: Scope) -> Value:
        """The output of a new node, or a constant where all operands are known and the result is small."""
        op.check_operands(len(operands))
        kind = op.infer(*(value.type for value in operands))
        check_type(kind, f"the result of {op.name}")
        known = [self.constants.get(value.name) for value in operands]
        small = kind.nbytes <= FOLDED_BYTES and self._folded + kind.nbytes <= MAX_FOLDED_BYTES
        if small and not isinstance(op, UNFOLDED) and all(array is not None for array in known):
            self._folded += kind.nbytes
            with np.errstate(all="ignore"):
                result = op.evaluate(*(array for array in known if array is not None))
            return self.constant(np.asarray(result), scope, op.name)
        self._count()
        value = Value(self._unique(f"{scope.path}{op.name}"), kind)
        self.nodes.append(Node(op, tuple(operands), value, (scope.origin,) if scope.origin else ()))
        return value

    def run(self, nodes: Iterable[NodeProto], scope: Scope) -> None:
        """Imports nodes, in order."""
        for node in nodes:
            self._count()
            names = [name for name in node.output if name]
            inputs = [self._value(name, node, scope) for name in node.input]
            unknown = next((value for value in inputs if isinstance(value, Unknown)), None)
            if unknown is None:
                outputs = self._import(node, [v for v in inputs if not isinstance(v, Unknown)], scope)
            else:
                outputs = dict.fromkeys(names, Unknown())
                if unknown.reason:
                    self._fail(node, scope, unknown.reason)
                elif not self.supported(node, scope):
                    self._fail(node, scope, _no_handler(node, scope))
            if not scope.path:
                outputs = {k: self._stand_in(k) if isinstance(v, Unknown) else v for k, v in outputs.items()}
            scope.values.update(outputs)

    def run_subgraph(self, graph: GraphProto, operands: Sequence[Value | None], scope: Scope) -> list[Value]:
        """The outputs of a subgraph for its inputs."""
        if scope.depth >= MAX_DEPTH:
            raise LimitExceeded(f"{self.source.label}: functions and subgraphs are more than {MAX_DEPTH} deep")
        values: MutableMapping[str, Known] = ChainMap({}, scope.values)
        inner = replace(scope, values=values, depth=scope.depth + 1)
        for tensor in graph.initializer:
            array = read_tensor(tensor, f"initializer {tensor.name!r}", self.folder)
            values[tensor.name] = self.constant(array, scope, tensor.name)
        values.update(zip((value.name for value in graph.input), operands, strict=False))
        before = len(self.problems)
        self.run(graph.node, inner)
        results = [values.get(output.name) for output in graph.output]
        if len(self.problems) > before or not all(isinstance(value, Value) for value in results):
            raise _Reported
        return [value for value in results if isinstance(value, Value)]

    def finish(self, name: str, outputs: Mapping[str, Known]) -> Graph:
        """The graph.

        Raises
        ------
        UnsupportedModel:
            Some nodes could not be imported.
        """
        for output, value in outputs.items():
            if isinstance(value, Unknown) and value.reason:
                self.problems.append(Problem(output, "output", value.reason))
        if self.problems:
            raise UnsupportedModel(self.source.label, self.problems)
        results = [self._named(output, value) for output, value in outputs.items() if isinstance(value, Value)]
        live = {value.name for value in results}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in live:
                kept.append(node)
                live.update(value.name for value in node.inputs)
        return Graph(
            name,
            tuple(self.inputs),
            tuple(results),
            tuple(reversed(kept)),
            tuple(Value(key, TensorType.of(array)) for key, array in self.parameters.items() if key in live),
            {Value(key, TensorType.of(array)): array for key, array in self.constants.items() if key in live},
        )

    def _named(self, name: str, value: Value) -> Value:
        """The value under the name of an output. A copy where it is a constant, or has another name."""
        result = Value(name, value.type)
        if value.name != name:
            self.nodes.append(Node(Reshape(shape=value.type.shape), (value,), result))
        elif name in self.constants or name in self.parameters:
            known = self.constants if name in self.constants else self.parameters
            source = Value(self._unique(f"{name}/value"), value.type)
            known[source.name] = known.pop(name)
            self.nodes.insert(0, Node(Reshape(shape=value.type.shape), (source,), result))
        return result

    def _value(self, name: str, node: NodeProto, scope: Scope) -> Known:
        if name and name not in scope.values:
            raise FrontendError(f"{self.source.label}: node {node_name(node)} reads {name!r}, which nothing computes")
        return scope.values[name] if name else None

    def _import(self, node: NodeProto, inputs: list[Value | None], scope: Scope) -> dict[str, Known]:
        """The node's outputs by name."""
        start = len(self.nodes)
        if not scope.path:
            self._fresh.clear()
        inside = replace(scope, origin=scope.origin or node_name(node), path=f"{scope.path}{_stem(node)}/")
        failed: dict[str, Known] = {name: Unknown() for name in node.output if name}
        try:
            results = self._results(node, inputs, inside)
        except _Reported:
            return failed
        except Unsupported as error:
            behind = self._behind(error.values)
            if not behind & self._stand_ins:
                self._fail(node, scope, str(error), frozenset(v.name for v in self.inputs if v.name in behind))
            return failed
        except LimitExceeded:
            raise
        except CompileError as error:
            self._fail(node, scope, str(error))
            return failed
        except MALFORMED as error:
            self._fail(node, scope, f"its operands or attributes make no sense: {error}")
            return failed
        except RecursionError:
            self._fail(node, scope, "it is nested too deeply")
            return failed
        outputs: dict[str, Known] = {}
        for number, name in enumerate(node.output):
            if not name:
                continue
            value = results[number] if number < len(results) else None
            if value is None:
                self._fail(node, scope, f"its output {number} ({name!r}) is unsupported; the others are computed")
                outputs[name] = Unknown()
            else:
                outputs[name] = value
        return outputs if scope.path else self._rename(outputs, start)

    def _results(self, node: NodeProto, inputs: list[Value | None], scope: Scope) -> Sequence[Value | None]:
        """The node's outputs in order."""
        attributes = _resolved(node, scope.attributes)
        domain = "" if node.domain == "ai.onnx" else node.domain
        function = self._functions.local(node)
        if function is None:
            handler = find_handler(domain, node.op_type, scope.opsets.get(domain, 1))
            if handler is not None:
                version = scope.opsets.get(domain, 1)
                results = handler(NodeContext(self, scope, node, inputs, attributes, version))
                return (results,) if isinstance(results, Value) else results
            function = self._functions.standard(node, attributes, inputs, scope.opsets)
        if function is None:
            raise Unsupported(_no_handler(node, scope))
        return self._expand(function, attributes, inputs, scope)

    def _expand(
        self,
        function: FunctionProto,
        attributes: Mapping[str, AttributeProto],
        inputs: list[Value | None],
        scope: Scope,
    ) -> Sequence[Value | None]:
        if scope.depth >= MAX_DEPTH:
            raise LimitExceeded(
                f"{self.source.label}: functions are more than {MAX_DEPTH} deep, {function.name} calls itself perhaps"
            )
        values: dict[str, Known] = {name: None for name in function.input}
        values.update(zip(function.input, inputs, strict=False))
        defaults = {attribute.name: attribute for attribute in function.attribute_proto}
        inner = Scope(
            values,
            {**scope.opsets, **opsets_of(function.opset_import)},
            scope.origin,
            scope.path,
            {**defaults, **attributes},
            scope.depth + 1,
        )
        before = len(self.problems)
        self.run(function.node, inner)
        if len(self.problems) > before:
            raise _Reported
        results = [values.get(name) for name in function.output]
        return [value if isinstance(value, Value) else None for value in results]

    def _rename(self, outputs: dict[str, Known], start: int) -> dict[str, Known]:
        """Gives the results of a node's own nodes the names that the model has for them."""
        own = {node.name for node in self.nodes[start:]}
        new: dict[str, Value] = {}
        for name, value in outputs.items():
            if not isinstance(value, Value) or value.name in new:
                continue
            if value.name in own:
                new[value.name] = Value(name, value.type)
            elif value.name in self._fresh:
                self.constants[name] = self.constants[value.name]
                new[value.name] = Value(name, value.type)
        self.nodes[start:] = [
            Node(
                node.op,
                tuple(new.get(value.name, value) for value in node.inputs),
                new.get(node.name, node.output),
                node.origin,
            )
            for node in self.nodes[start:]
        ]
        return {
            name: new.get(value.name, value) if isinstance(value, Value) else value for name, value in outputs.items()
        }

    def supported(self, node: NodeProto, scope: Scope) -> bool:
        """Whether there is a way to import such an operator, whatever its operands."""
        domain = "" if node.domain == "ai.onnx" else node.domain
        known = find_handler(domain, node.op_type, scope.opsets.get(domain, 1)) is not None
        return known or self._functions.known(node, scope.opsets)

    def _fail(self, node: NodeProto, scope: Scope, reason: str, constants: frozenset[str] = frozenset()) -> None:
        domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
        where = scope.origin or node_name(node)
        inside = f"inside of it, {node.op_type}: " if scope.origin else ""
        self.problems.append(Problem(where, f"{domain}{node.op_type}", inside + reason, constants))

    def _behind(self, names: Iterable[str]) -> set[str]:
        """All values that these are computed from."""
        producers = {node.name: node for node in self.nodes}
        waiting, seen = list(names), set(names)
        while waiting:
            node = producers.get(waiting.pop())
            for value in node.inputs if node else ():
                if value.name not in seen:
                    seen.add(value.name)
                    waiting.append(value.name)
        return seen

    def _stand_in(self, name: str) -> Known:
        """In the place of an unsupported output, of the type that the model gives it: what reads it is checked too."""
        # ONNX's shape inference would find more types, but crashes on some malformed models.
        if self._declared is None:
            self._declared = declared_types(self.source.proto.graph)
        if name not in self._declared:
            return Unknown()
        self._stand_ins.add(name)
        return Value(name, self._declared[name])

    def _unique(self, name: str) -> str:
        result = name
        while result in self._names:
            self._next[name] = self._next.get(name, 0) + 1
            result = f"{name}_{self._next[name]}"
        self._names.add(result)
        return result

    def _count(self) -> None:
        self._visited += 1
        if self._visited > MAX_NODES:
            raise LimitExceeded(f"{self.source.label}: more than {MAX_NODES} nodes, with those in functions and loops")

    def _spend(self, nbytes: int, what: str) -> None:
        self._bytes += nbytes
        if self._bytes > MAX_BYTES:
            raise LimitExceeded(f"{self.source.label}: at {what}, constants have more than {MAX_BYTES} bytes together")


class _Reported(Exception):
    """Problems inside of a node have been collected already."""


def _resolved(node: NodeProto, outer: Mapping[str, AttributeProto]) -> dict[str, AttributeProto]:
    """The node's attributes; those that are attributes of the function around it are looked up."""
    found: dict[str, AttributeProto] = {}
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            found[attribute.name] = attribute
        elif attribute.ref_attr_name in outer:
            found[attribute.name] = outer[attribute.ref_attr_name]
    return found


def _no_handler(node: NodeProto, scope: Scope) -> str:
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = scope.opsets.get(domain)
    since = first_opset(domain, node.op_type)
    if since is not None:
        return f"it is supported from opset {since} on; the model is of opset {version}"
    return f"no such operator is supported (opset {version}); docs/onnx.md lists those that are"


def _stem(node: NodeProto) -> str:
    return next(filter(None, node.output), node.op_type)
