"""The ONNX graph that a Keras model becomes, and how its tensors lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]

OPSET = 21
IR_VERSION = 10


@dataclass(frozen=True)
class Tensor:
    """A tensor of the Keras model.

    Attributes
    ----------
    name:
        Of the value in the ONNX graph.
    shape, dtype:
        As Keras has them; the shape is of numbers.
    first:
        The value has the last axis of `shape` in place 1: channels first.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    first: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def value_shape(self) -> tuple[int, ...]:
        """The shape in the ONNX graph."""
        return (self.shape[0], self.shape[-1], *self.shape[1:-1]) if self.first else self.shape

    def axis(self, axis: int) -> int:
        """Where an axis of `shape`, counted from 0 or from the end, is in the ONNX graph."""
        axis %= self.rank
        if not self.first or axis == 0:
            return axis
        return 1 if axis == self.rank - 1 else axis + 1


@dataclass
class _Node:
    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]


class Writer:
    """Puts the ONNX graph together.

    Attributes
    ----------
    path:
        Of the layer that is being converted: names begin with it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ""
        self.inputs: list[Tensor] = []
        self._nodes: list[_Node] = []
        self._constants: dict[str, Array] = {}
        self._names: set[str] = set()
        self._converted: dict[tuple[str, bool], Tensor] = {}
        self._padded: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {}

    def input(self, name: str, shape: Sequence[int], dtype: str) -> Tensor:
        """An input of the model."""
        tensor = Tensor(self._unique(name), tuple(shape), dtype)
        self.inputs.append(tensor)
        return tensor

    def constant(self, array: ArrayLike, name: str, dtype: str = "float32") -> str:
        """The name of a constant; of the one that is there already where a layer is used twice."""
        contents = np.ascontiguousarray(array, dtype)
        wanted = f"{self.path}/{name}"
        there = self._constants.get(wanted)
        if there is not None and np.array_equal(there, contents):
            return wanted
        unique = self._unique(wanted)
        self._constants[unique] = contents
        return unique

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """The name of the output of a new node, which is also the node's own."""
        output = self._unique(f"{self.path}/{name or op.lower()}")
        self._nodes.append(_Node(op, list(inputs), output, attributes))
        return output

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """`value` with another shape."""
        target = self.constant(list(shape), f"shape_{'x'.join(map(str, shape))}", "int64")
        return self.node("Reshape", value, target)

    def last(self, tensor: Tensor) -> Tensor:
        """`tensor` as Keras has it."""
        return self._laid_out(tensor, first=False)

    def first(self, tensor: Tensor) -> Tensor:
        """`tensor` with channels first, if it has an axis between the first and the last."""
        return self._laid_out(tensor, first=tensor.rank > 2)

    def like(self, tensor: Tensor, other: Tensor) -> Tensor:
        """`tensor` as `other` is laid out."""
        return self._laid_out(tensor, first=other.first)

    def aligned(self, array: Array, tensor: Tensor) -> Array:
        """An array that Keras broadcasts with `tensor`, so that it can be broadcast with its value."""
        if not tensor.first or array.ndim == 0:
            return array
        whole = array.reshape([1] * (tensor.rank - array.ndim) + list(array.shape))
        return np.moveaxis(whole, -1, 1)

    def pad(self, tensor: Tensor, begin: Sequence[int], end: Sequence[int], shape: tuple[int, ...]) -> Tensor:
        """Zeros around the spatial axes; remembered, so that a convolution can take them over."""
        source = self.first(tensor)
        pads = self.constant([0, 0, *begin, 0, 0, *end], "pads", "int64")
        padded = Tensor(self.node("Pad", source.name, pads), shape, tensor.dtype, source.first)
        self._padded[padded.name] = (source.name, tuple(begin), tuple(end))
        return padded

    def unpadded(self, value: str, axes: int) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
        """What `pad` made `value` of, and the zeros around that; `value` itself and none."""
        return self._padded.get(value, (value, (0,) * axes, (0,) * axes))

    def operator(self, value: str) -> str:
        """The operator of the node that gives `value`; empty for inputs and constants."""
        return next((node.op for node in reversed(self._nodes) if node.output == value), "")

    def named(self, tensor: Tensor, name: str, since: int) -> Tensor:
        """`tensor` with a name of its own, if a node after the first `since` gives it."""
        if name == tensor.name or all(node.output != tensor.name for node in self._nodes[since:]):
            return tensor
        return self._renamed(tensor, self._unique(name), since)

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    def model(self, outputs: Sequence[tuple[str, Tensor]]) -> onnx.ModelProto:
        """The model with outputs of these names, without nodes that none of them needs."""
        results: list[Tensor] = []
        for name, tensor in outputs:
            self.path = name
            results.append(self._output(self.last(tensor), name, {result.name for result in results}))
        nodes = self._needed({tensor.name for tensor in results})
        used = {name for node in nodes for name in node.inputs}
        graph = helper.make_graph(
            [helper.make_node(one.op, one.inputs, [one.output], name=one.output, **one.attributes) for one in nodes],
            self.name,
            [_value_info(tensor) for tensor in self.inputs],
            [_value_info(tensor) for tensor in results],
            [numpy_helper.from_array(array, name) for name, array in self._constants.items() if name in used],
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="dovetail",
        )

    def _output(self, tensor: Tensor, name: str, others: set[str]) -> Tensor:
        """`tensor` as an output called `name`, unless an input or another output is called that."""
        if tensor.name == name and name not in others:
            return tensor
        fixed = others | {one.name for one in self.inputs}
        if name in fixed:
            name = self._unique(name)
        elif name in self._names:
            self._renamed(Tensor(name, ()), self._unique(f"{name}/value"))
        self._names.add(name)
        if tensor.name not in fixed and any(node.output == tensor.name for node in self._nodes):
            return self._renamed(tensor, name)
        self._nodes.append(_Node("Identity", [tensor.name], name, {}))
        return replace(tensor, name=name)

    def _laid_out(self, tensor: Tensor, *, first: bool) -> Tensor:
        if tensor.first == first:
            return tensor
        key = (tensor.name, first)
        if key not in self._converted:
            rank = tensor.rank
            order = (0, rank - 1, *range(1, rank - 1)) if first else (0, *range(2, rank), 1)
            found = replace(tensor, first=first)
            # Where all pixels or all channels are one, nothing moves.
            if tensor.shape[-1] == 1 or prod(tensor.shape[1:-1]) == 1:
                name = self.reshape(tensor.name, found.value_shape)
            else:
                name = self.node("Transpose", tensor.name, perm=order)
            self._converted[key] = replace(found, name=name)
            self._converted[name, not first] = tensor
        return self._converted[key]

    def _renamed(self, tensor: Tensor, new: str, since: int = 0) -> Tensor:
        old = tensor.name
        for node in self._nodes[since:]:
            node.inputs = [new if name == old else name for name in node.inputs]
            node.output = new if node.output == old else node.output
        if old in self._padded:
            self._padded[new] = self._padded.pop(old)
        self._converted = {
            (new if name == old else name, first): replace(found, name=new) if found.name == old else found
            for (name, first), found in self._converted.items()
        }
        return replace(tensor, name=new)

    def _needed(self, wanted: set[str]) -> list[_Node]:
        found = []
        for node in reversed(self._nodes):
            if node.output in wanted:
                wanted.update(node.inputs)
                found.append(node)
        return found[::-1]

    def _unique(self, name: str) -> str:
        result, number = name, 0
        while result in self._names:
            number += 1
            result = f"{name}_{number}"
        self._names.add(result)
        return result


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        tensor.name, helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape
    )
