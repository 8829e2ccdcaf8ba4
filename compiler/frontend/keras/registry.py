"""Which function converts which layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .writer import Array, Tensor, Writer


class Unsupported(Exception):
    """A layer cannot be converted; the reason says what could be."""


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of an operation of `keras.ops`.

    Attributes
    ----------
    keras:
        The package.
    layer:
        A Keras layer or operation.
    inputs:
        All tensors that it is given, in order.
    arguments:
        All that it is given, by name where it is given so and else by number.
    shape, dtype:
        Of its output.
    """

    keras: Any
    writer: Writer
    layer: Any
    inputs: tuple[Tensor, ...]
    arguments: Mapping[str | int, Any]
    shape: tuple[int, ...]
    dtype: str = "float32"

    def weight(self, name: str, variable: Any = None) -> Array:
        """A variable of the layer, as float32."""
        value = getattr(self.layer, name) if variable is None else variable
        return np.asarray(self.keras.ops.convert_to_numpy(value)).astype(np.float32)

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """The name of the output of a new node."""
        return self.writer.node(op, *inputs, name=name, **attributes)

    def constant(self, array: Any, name: str, dtype: str = "float32") -> str:
        """The name of a constant."""
        return self.writer.constant(array, name, dtype)

    def result(self, value: str, like: Tensor | None = None) -> Tensor:
        """`value` as the layer's output, laid out as `like` is, else as Keras has it."""
        return Tensor(value, self.shape, self.dtype, like is not None and like.first)


Handler = Callable[[Call, Tensor], Tensor]


@dataclass(frozen=True)
class Entry:
    """How a class is converted.

    Attributes
    ----------
    any_type:
        It takes other types than float32 as well.
    """

    convert: Handler
    any_type: bool


LAYERS: dict[str, Entry] = {}
OPERATIONS: dict[str, Entry] = {}


def layer(*names: str, any_type: bool = False) -> Callable[[Handler], Handler]:
    """Registers the function for these classes of `keras.layers`. It is given the call and its first tensor."""
    return _registered(LAYERS, names, any_type)


def operation(*names: str, any_type: bool = False) -> Callable[[Handler], Handler]:
    """Registers the function for these classes of operations, which `keras.ops` and operators such as ``+`` make."""
    return _registered(OPERATIONS, names, any_type)


def _registered(table: dict[str, Entry], names: Sequence[str], any_type: bool) -> Callable[[Handler], Handler]:
    def register(convert: Handler) -> Handler:
        table.update({name: Entry(convert, any_type) for name in names})
        return convert

    return register


def find(keras: Any, operator: Any) -> Entry:
    """The entry for a layer or an operation.

    Raises
    ------
    Unsupported:
        There is none.
    """
    kind = type(operator)
    table = LAYERS if isinstance(operator, keras.layers.Layer) else OPERATIONS
    if not kind.__module__.startswith("keras."):
        raise Unsupported("is a class of its own; build it of layers of Keras")
    if kind.__name__ not in table:
        raise Unsupported("is not supported")
    return table[kind.__name__]


def convert(call: Call) -> Tensor:
    """The output of a call.

    Raises
    ------
    Unsupported:
        The layer, or something about it, is not supported.
    """
    entry = find(call.keras, call.layer)
    other = next((tensor.dtype for tensor in call.inputs if tensor.dtype != "float32"), None)
    if other and not entry.any_type:
        raise Unsupported(f"takes float32, not {other}")
    if not call.inputs:
        raise Unsupported("is called without a tensor of the model")
    return entry.convert(call, call.inputs[0])


def inner(call: Call, layer: Any, tensor: Tensor) -> Tensor:
    """The output of a layer that another one has as its activation."""
    return convert(Call(call.keras, call.writer, layer, (tensor,), {}, tensor.shape))
