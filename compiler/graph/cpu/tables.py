"""Functions of single int8 or uint8 elements as tables of all their values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.elementwise import Binary, Cast, Clip, Unary, Where
from dovetail.compiler.graph.ops.fused import Fused
from dovetail.compiler.graph.ops.quantised import Dequantize, QRescale, Quantize
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.cpu import CpuOperator
from dovetail.compiler.te import Tensor
from dovetail.compiler.tir.dtypes import limits

from .flatten import flattened
from .implementation import KEPT, Implementation
from .schedule import scheduled

BYTES = ("int8", "uint8")
SINGLE = (Unary, Binary, Where, Cast, Clip, QRescale)
"""Operators whose element depends on no other place than its own."""
QUICK = ("abs", "neg", "sign", "relu", "not", "bitwise_not", "floor", "ceil", "round")
"""Functions that take no longer than looking something up."""


def table(node: Node, known: Mapping[int, Array]) -> Implementation | None:
    """A look-up for a function of one byte that would take long to compute; None where that is not what a node does.

    Parameters
    ----------
    known:
        Operands that are constant, by place.
    """
    nodes = node.op.graph.nodes if isinstance(node.op, Fused) else (node,)
    unknown = [place for place in range(len(node.inputs)) if place not in known]
    if len(unknown) != 1 or not all(_is_single(one.op) for one in nodes) or not any(_is_slow(one.op) for one in nodes):
        return None
    (place,) = unknown
    data = node.inputs[place].type
    same = all(one.output.type.shape == data.shape for one in nodes)
    if data.dtype not in BYTES or not same or any(array.size != 1 for array in known.values()):
        return None
    operands = node.op.graph.inputs if isinstance(node.op, Fused) else node.inputs
    low, high = limits(data.dtype)
    values: dict[Value, Array] = {operands[at]: array.reshape(()) for at, array in known.items()}
    values[operands[place]] = np.arange(low, high + 1).astype(data.dtype)
    for one in nodes:
        values[one.output] = one.op.evaluate(*(values[value] for value in one.inputs))
    contents = np.broadcast_to(values[nodes[-1].output], (high - low + 1,))
    return Implementation(_look_up(data, node.output.type.dtype), (place,), (contents,))


@lru_cache(maxsize=KEPT)
def _look_up(data: TensorType, dtype: str) -> CpuOperator:
    low, high = limits(data.dtype)
    given = te.placeholder(data.shape, data.dtype, name="data")
    contents = te.placeholder((high - low + 1,), dtype, name="table")
    output, replaced = flattened(
        te.compute(data.shape, lambda *at: contents[te.cast("int32", given[at]) - low], name="found")
    )
    arguments: tuple[Tensor, ...] = (replaced.get(given, given), replaced.get(contents, contents), output)
    return CpuOperator("table", scheduled(output), arguments, lambda: ())


def _is_single(op: Op) -> bool:
    return isinstance(op, SINGLE) or (isinstance(op, Quantize | Dequantize) and op.axis is None)


def _is_slow(op: Op) -> bool:
    if isinstance(op, Unary):
        return op.function not in QUICK
    return isinstance(op, Binary) and op.function in ("pow", "mod", "fmod")
