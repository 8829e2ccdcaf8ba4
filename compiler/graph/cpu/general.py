"""Any operator that has a tensor expression, under a schedule made by rule."""

from __future__ import annotations

from functools import lru_cache

from dovetail.compiler import te
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops.cpu import CpuOperator
from dovetail.compiler.te.tensor import ComputeOp

from .expressions import inputs_of
from .flatten import flattened
from .implementation import KEPT, Implementation
from .inline import inlined
from .schedule import scheduled


@lru_cache(maxsize=KEPT)
def general(op: Op, types: tuple[TensorType, ...]) -> Implementation:
    """`op` on operands of these types, none of which is empty.

    Raises
    ------
    GraphError:
        It has no tensor expression.
    """
    given = [te.placeholder(kind.shape, kind.dtype, name=f"operand{place}") for place, kind in enumerate(types)]
    output = op.compute(*given)
    if not isinstance(output.op, ComputeOp):
        source = output
        output = te.compute(source.shape, lambda *at: source[at], name="copy")
    output, replaced = flattened(inlined(output))
    read = inputs_of(output)
    places = tuple(place for place, tensor in enumerate(given) if replaced.get(tensor, tensor) in read)
    arguments = tuple(replaced.get(given[place], given[place]) for place in places)
    operator = CpuOperator(op.name, scheduled(output), (*arguments, output), lambda: ())
    return Implementation(operator, places)
