"""Layers and operators that merge tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import Call, Unsupported, layer, operation
from ..writer import Tensor

CHAINS = {"Add": "Add", "Average": "Add", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min", "Subtract": "Sub"}
BINARY = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "TrueDivide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Power": "Pow",
}


@layer(*CHAINS)
def merge(call: Call, x: Tensor) -> Tensor:
    kind = type(call.layer).__name__
    rank = max(tensor.rank for tensor in call.inputs)
    together = _together(call, [_widened(call, tensor, rank) for tensor in call.inputs])
    value = together[0].name
    for tensor in together[1:]:
        value = call.node(CHAINS[kind], value, tensor.name)
    if kind == "Average":
        value = call.node("Mul", value, call.constant(1 / len(together), "share"))
    return call.result(value, together[0])


@layer("Concatenate")
def concatenate(call: Call, x: Tensor) -> Tensor:
    together = _together(call, call.inputs)
    value = call.node("Concat", *(tensor.name for tensor in together), axis=together[0].axis(call.layer.axis))
    return call.result(value, together[0])


@layer("Dot")
def dot(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    axes = (one.axes, one.axes) if isinstance(one.axes, int) else tuple(one.axes)
    tensors = [call.writer.last(tensor) for tensor in call.inputs]
    if one.normalize or len(tensors) != 2 or any(tensor.rank not in (2, 3) for tensor in tensors):
        raise Unsupported("supported: of two tensors of two or three axes, without normalize")
    left, right = (
        _matrix(call, tensor, axis % tensor.rank, last)
        for tensor, axis, last in zip(tensors, axes, (True, False), strict=True)
    )
    return call.result(call.writer.reshape(call.node("MatMul", left, right), call.shape))


@operation(*BINARY)
def binary(call: Call, x: Tensor) -> Tensor:
    given = [call.arguments.get(place, call.arguments.get(name)) for place, name in enumerate(("x1", "x2"))]
    same = len({one.rank for one in call.inputs}) == 1 and call.inputs[0].rank == len(call.shape)
    tensors = _together(call, call.inputs) if same else [call.writer.last(tensor) for tensor in call.inputs]
    waiting, operands = iter(tensors), []
    for place, one in enumerate(given):
        if isinstance(one, Tensor):
            operands.append(next(waiting).name)
            continue
        number = np.asarray(one, np.float32)
        if number.ndim > len(call.shape):
            raise Unsupported(f"is given an array of {number.ndim} axes; supported: at most {len(call.shape)}")
        operands.append(call.constant(call.writer.aligned(number, tensors[0]), f"operand{place}"))
    return call.result(call.node(BINARY[type(call.layer).__name__], *operands), tensors[0])


@operation("Matmul")
def matmul(call: Call, x: Tensor) -> Tensor:
    if len(call.inputs) != 2:
        raise Unsupported("supported: of two tensors of the model")
    return call.result(call.node("MatMul", *(call.writer.last(tensor).name for tensor in call.inputs)))


def _together(call: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """All with channels first if one is."""
    leader = next((tensor for tensor in tensors if tensor.first), tensors[0])
    return [call.writer.like(tensor, leader) for tensor in tensors]


def _widened(call: Call, tensor: Tensor, rank: int) -> Tensor:
    """With axes of extent 1 after the first, as Keras broadcasts in these layers."""
    if tensor.rank == rank:
        return tensor
    last = call.writer.last(tensor)
    shape = (last.shape[0], *[1] * (rank - last.rank), *last.shape[1:])
    return Tensor(call.writer.reshape(last.name, shape), shape, last.dtype)


def _matrix(call: Call, tensor: Tensor, axis: int, last: bool) -> str:
    """A batch of matrices with the axis that is summed over as the last one, or as the last but one."""
    if tensor.rank == 2:
        shape = (tensor.shape[0], 1, tensor.shape[1]) if last else (*tensor.shape, 1)
        return call.writer.reshape(tensor.name, shape)
    if (axis == 2) == last:
        return tensor.name
    return call.node("Transpose", tensor.name, perm=[0, 2, 1])
