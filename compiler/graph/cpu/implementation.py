"""What computes a node: a scheduled expression, and which operands it takes how."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.ops.cpu import CpuOperator


@dataclass(frozen=True, eq=False)
class Implementation:
    """A CPU operator for a node.

    Attributes
    ----------
    operator:
        Its arguments are `operands`, then what its `pack` makes of `packed`, then the output. Each argument is the
        node's row-major array in another shape of as many elements.
    operands, packed:
        Places among the node's operands. What is packed is constant.
    """

    operator: CpuOperator
    operands: tuple[int, ...]
    packed: tuple[int, ...] = ()
