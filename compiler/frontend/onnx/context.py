"""What the function that reads a node has to work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.elementwise import Binary, Cast, Unary, Where
from dovetail.compiler.graph.ops.movement import Expand, Reshape, Transpose
from dovetail.compiler.graph.ops.reduction import Reduce
from dovetail.compiler.graph.types import Array

from .limits import Unsupported, check_shape
from .tensors import read_tensor

if TYPE_CHECKING:
    from .importer import Importer, Scope

_KINDS = {
    AttributeProto.INT: "an integer",
    AttributeProto.FLOAT: "a number",
    AttributeProto.STRING: "a text",
    AttributeProto.INTS: "integers",
    AttributeProto.FLOATS: "numbers",
    AttributeProto.STRINGS: "texts",
    AttributeProto.TENSOR: "a tensor",
    AttributeProto.GRAPH: "a graph",
}


class NodeContext:
    """A node that is being read: its operands and attributes, and the graph that grows.

    Attributes
    ----------
    op, version:
        The operator, and the version of its domain.
    inputs:
        Its operands; None for those that are left out.
    """

    def __init__(
        self,
        importer: Importer,
        scope: Scope,
        node: NodeProto,
        inputs: Sequence[Value | None],
        attributes: Mapping[str, AttributeProto],
        version: int,
    ) -> None:
        self._importer = importer
        self._scope = scope
        self._node = node
        self._attributes = attributes
        self.op = node.op_type
        self.version = version
        self.inputs = tuple(inputs)

    def optional(self, number: int) -> Value | None:
        """An operand, None where it is left out."""
        return self.inputs[number] if number < len(self.inputs) else None

    def __getitem__(self, number: int) -> Value:
        value = self.optional(number)
        if value is None:
            raise Unsupported(f"operand {number} is missing")
        return value

    @property
    def operands(self) -> tuple[Value, ...]:
        """All operands of an operator for which none may be left out."""
        return tuple(self[number] for number in range(len(self.inputs)))

    def contents(self, value: Value) -> Array | None:
        """The elements of a value, if they are known."""
        return self._importer.contents(value)

    def known(self, number: int, what: str) -> Array:
        """The elements of an operand that has to be known now.

        Raises
        ------
        Unsupported:
            It is computed when the model runs.
        """
        array = self.contents(self[number])
        if array is None:
            raise Unsupported(
                f"{what} (operand {number}, {self[number].name!r}) must be known when the model is imported",
                (self[number].name,),
            )
        return array

    def known_ints(self, number: int, what: str) -> tuple[int, ...]:
        """`known` as whole numbers."""
        return tuple(int(number) for number in self.known(number, what).reshape(-1))

    def ints_of(self, attribute: str, number: int) -> tuple[int, ...] | None:
        """Numbers that are an attribute in old opsets and an operand in new ones; None where they are left out."""
        if attribute in self._attributes:
            return self.integers(attribute)
        return None if self.optional(number) is None else self.known_ints(number, attribute)

    def has(self, name: str) -> bool:
        """Whether an attribute is given."""
        return name in self._attributes

    def integer(self, name: str, default: int | None = None) -> int:
        return int(self._get(name, AttributeProto.INT, default))

    def number(self, name: str, default: float | None = None) -> float:
        return float(self._get(name, AttributeProto.FLOAT, default))

    def text(self, name: str, default: str | None = None) -> str:
        value = self._get(name, AttributeProto.STRING, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        return tuple(self._get(name, AttributeProto.INTS, default))

    def numbers(self, name: str, default: Sequence[float] | None = None) -> tuple[float, ...]:
        return tuple(self._get(name, AttributeProto.FLOATS, default))

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        given = self._get(name, AttributeProto.STRINGS, default)
        return tuple(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in given)

    def tensor(self, name: str) -> Array:
        return self.array(self._get(name, AttributeProto.TENSOR, None), f"attribute {name}")

    def subgraph(self, name: str) -> GraphProto:
        graph: GraphProto = self._get(name, AttributeProto.GRAPH, None)
        return graph

    def array(self, tensor: TensorProto, what: str) -> Array:
        """The elements of a tensor in the model."""
        return read_tensor(tensor, what, self._importer.folder)

    def _get(self, name: str, kind: int, default: Any) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None:
            if default is None:
                raise Unsupported(f"attribute {name} is missing")
            return default
        if attribute.type != kind:
            raise Unsupported(f"attribute {name} must be {_KINDS[kind]}")  # type: ignore[index]
        field = {
            AttributeProto.INT: "i",
            AttributeProto.FLOAT: "f",
            AttributeProto.STRING: "s",
            AttributeProto.TENSOR: "t",
            AttributeProto.GRAPH: "g",
        }.get(kind)  # type: ignore[call-overload]
        return getattr(attribute, field or AttributeProto.AttributeType.Name(kind).lower())

    def reject(self, name: str, *supported: object, default: object = 0) -> None:
        """Refuses values of an attribute other than those.

        Raises
        ------
        Unsupported:
            It has another value.
        """
        if name not in self._attributes:
            return
        attribute = self._attributes[name]
        given: object = {AttributeProto.INT: attribute.i, AttributeProto.FLOAT: attribute.f}.get(attribute.type)
        if attribute.type == AttributeProto.STRING:
            given = attribute.s.decode("utf-8", "replace")
        if given not in supported:
            raise Unsupported(f"{name}={given!r} is unsupported; supported: {', '.join(map(repr, supported))}")

    def wanted(self, number: int) -> bool:
        """Whether an output of the node is used."""
        return number < len(self._node.output) and bool(self._node.output[number])

    @property
    def outputs(self) -> int:
        """How many outputs the node has."""
        return len(self._node.output)

    def emit(self, op: Op, *operands: Value) -> Value:
        """The output of a new node, or a constant where all operands are known and small."""
        return self._importer.emit(op, operands, self._scope)

    def constant(self, array: ArrayLike, dtype: str | None = None) -> Value:
        """A value that is known."""
        return self._importer.constant(np.asarray(array, dtype), self._scope)

    def filled(self, shape: Sequence[int], number: float, dtype: str) -> Value:
        """A tensor with the same number everywhere."""
        return self.expand(self._importer.scalar(number, dtype), shape)

    def counted(self, size: int, axis: int = 0, rank: int = 1) -> Value:
        """0, 1, ... below `size` along an axis, int64."""
        check_shape((size,), np.dtype(np.int64).itemsize, "an index")
        return self.constant(np.arange(size, dtype=np.int64).reshape([size if at == axis else 1 for at in range(rank)]))

    def run(self, graph: GraphProto, operands: Sequence[Value | None] = ()) -> list[Value]:
        """The outputs of a subgraph, which sees the values of the node's surroundings."""
        return self._importer.run_subgraph(graph, operands, self._scope)

    def unary(self, function: str, value: Value) -> Value:
        return self.emit(Unary(function=function), value)

    def binary(self, function: str, one: Value, other: Value | float) -> Value:
        """A function of two operands; a number becomes a constant of the first one's type."""
        return self.emit(Binary(function=function), one, self._like(other, one))

    def where(self, condition: Value, one: Value | float, other: Value | float) -> Value:
        kind = one if isinstance(one, Value) else other
        assert isinstance(kind, Value)
        return self.emit(Where(), condition, self._like(one, kind), self._like(other, kind))

    def cast(self, value: Value, dtype: str) -> Value:
        return value if value.type.dtype == dtype else self.emit(Cast(dtype=dtype), value)

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        return value if tuple(shape) == value.type.shape else self.emit(Reshape(shape=tuple(shape)), value)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        same = tuple(order) == tuple(range(value.type.rank))
        return value if same else self.emit(Transpose(order=tuple(order)), value)

    def expand(self, value: Value, shape: Sequence[int]) -> Value:
        return value if tuple(shape) == value.type.shape else self.emit(Expand(shape=tuple(shape)), value)

    def reduce(self, function: str, value: Value, axes: Sequence[int], keepdims: bool = True) -> Value:
        if not axes:
            return value
        return self.emit(Reduce(function=function, axes=tuple(axes), keepdims=keepdims), value)

    def channels(self, value: Value, rank: int, axis: int = 1) -> Value:
        """A vector in a shape that meets `axis` of a tensor of `rank` axes."""
        return self.reshape(value, [value.type.size if at == axis else 1 for at in range(rank)])

    def _like(self, value: Value | float, kind: Value) -> Value:
        if isinstance(value, Value):
            return value
        return self._importer.scalar(value, kind.type.dtype)


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from 0.

    Raises
    ------
    Unsupported:
        There is none.
    """
    if not -rank <= axis < rank:
        raise Unsupported(f"there is no axis {axis} of {rank}")
    return axis % rank if rank else 0


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """`axis_of` of several, each once, in order."""
    found = sorted(axis_of(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise Unsupported("an axis is named twice")
    return tuple(found)
