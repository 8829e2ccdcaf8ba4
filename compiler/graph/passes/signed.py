"""int8 instead of uint8 between Quantize and Dequantize."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Graph, Node, Value
from dovetail.compiler.graph.ops.elementwise import Binary, Cast
from dovetail.compiler.graph.ops.movement import Concat, Gather, Pad, Reshape, Slice, Transpose
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.compiler.graph.types import Array, TensorType

from .rewriting import Rewriter

MIDDLE = 128
"""What uint8 is more than the int8 that stands for the same number."""


def signed(graph: Graph) -> Graph:
    """uint8 that Quantize gives or Dequantize takes becomes int8: it, its zero points and its constants minus 128.

    Inputs and outputs of the graph stay uint8, with a conversion beside them, and so does what another operator than
    one that moves elements reads.
    """
    rewriter = Rewriter(graph)
    moved: dict[Value, Value] = {}
    for node in graph.nodes:
        if not _to_int8(rewriter, node, moved):
            rewriter.keep(node)
    return rewriter.finish()


def _to_int8(rewriter: Rewriter, node: Node, moved: dict[Value, Value]) -> bool:
    if not _can_move(rewriter, node):
        return False
    shifted = {Quantize: (2,), Dequantize: (0, 2), Gather: (0,)}.get(type(node.op), tuple(range(len(node.inputs))))
    readers = [_can_move(rewriter, reader) for reader in rewriter.readers(node.output)]
    dequantises = isinstance(node.op, Dequantize)
    begins = dequantises or isinstance(node.op, Quantize)
    if not (begins or any(readers) or any(value in moved for value in node.inputs)):
        return False
    inputs = [_int8(rewriter, value, moved) if at in shifted else value for at, value in enumerate(node.inputs)]
    if dequantises:
        rewriter.emit(node.op, inputs, node.output, node.origin)
    elif all(readers) and node.output not in rewriter.graph.outputs:
        result = Value(node.name, TensorType(node.output.type.shape, "int8"))
        moved[node.output] = rewriter.emit(node.op, inputs, result, node.origin)
    else:
        moved[node.output] = rewriter.emit(node.op, inputs, f"{node.name}_int8", node.origin)
        bits = _flip(rewriter, moved[node.output], f"{node.name}_bits")
        rewriter.emit(Cast(dtype="uint8"), [bits], node.output, node.origin)
    return True


def _can_move(rewriter: Rewriter, node: Node) -> bool:
    """Whether the node does the same to int8 as to uint8, its zero point adapted."""
    match node.op:
        case Quantize():
            return node.output.type.dtype == "uint8" and rewriter.contents(node.inputs[2]) is not None
        case Dequantize():
            return node.inputs[0].type.dtype == "uint8" and rewriter.contents(node.inputs[2]) is not None
        case Pad(mode="constant"):
            return False
        case Reshape() | Transpose() | Concat() | Slice() | Pad() | Gather() | Pool(function="max"):
            return node.output.type.dtype == "uint8"
        case _:
            return False


def _int8(rewriter: Rewriter, value: Value, moved: dict[Value, Value]) -> Value:
    """The int8 that stands for a uint8 value."""
    if value in moved:
        return moved[value]
    array = rewriter.contents(value)
    if array is not None:
        return _constant(rewriter, value, array, moved)
    flipped = _flip(rewriter, rewriter.emit(Cast(dtype="int8"), [value], f"{value.name}_bits"), f"{value.name}_int8")
    moved[value] = flipped
    return flipped


def _constant(rewriter: Rewriter, value: Value, array: Array, moved: dict[Value, Value]) -> Value:
    if value not in moved:
        shifted = (array.astype(np.int16) - MIDDLE).astype(np.int8)
        moved[value] = rewriter.constant(shifted, f"{value.name}_int8")
    return moved[value]


def _flip(rewriter: Rewriter, value: Value, name: str) -> Value:
    """The highest bit inverted: the difference of 128, with wrap-around."""
    top = rewriter.constant(np.array(-MIDDLE, np.int8), f"{name}_top")
    return rewriter.emit(Binary(function="bitwise_xor"), [value, top], name)
