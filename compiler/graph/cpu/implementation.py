"""What computes a node: a scheduled expression, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.graph.types import Array
from dovetail.compiler.ops.cpu import CpuOperator

KEPT = 256
"""How many operators are remembered, so that equal nodes share one."""


@dataclass(frozen=True, eq=False)
class Implementation:
    """A CPU operator for a node.

    Attributes
    ----------
    operator:
        Its arguments are `operands`, `packed`, then the output. Each is the row-major array in another shape of as many
        elements.
    operands:
        Places among the node's operands, of those that it takes as they are.
    packed:
        Arrays made of the constants among the others.
    """

    operator: CpuOperator
    operands: tuple[int, ...]
    packed: tuple[Array, ...] = ()
