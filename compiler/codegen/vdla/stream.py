"""What the loops come to: instructions and tokens in program order, before either is in its final form."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.instructions import Instruction, Sync, Unit

MicroOps = NDArray[np.int64]
"""A kernel, shape (micro-ops, 3): indices of accumulator, source and weight tile."""


@dataclass(eq=False)
class Node:
    """An instruction in the making.

    Attributes
    ----------
    fields:
        Of `kind`, but for the token flags and the place of the micro-ops.
    micro_ops:
        The kernel of a GEMM or ALU.
    part:
        The first of these that are executed, and how many, if not all.
    """

    kind: type[Instruction]
    unit: Unit
    fields: dict[str, Any] = field(default_factory=dict)
    micro_ops: MicroOps | None = None
    part: tuple[int, int] | None = None

    @classmethod
    def sync(cls, unit: Unit) -> Node:
        """An instruction that only moves tokens."""
        return cls(Sync, unit, {"target": unit})


@dataclass(frozen=True)
class Token:
    """A push or pop of a virtual queue.

    Attributes
    ----------
    unit:
        Who gives or takes the token.
    giver, taker:
        The ends of the queue.
    """

    push: bool
    giver: Unit
    taker: Unit
    queue: Hashable

    @property
    def unit(self) -> Unit:
        return self.giver if self.push else self.taker


Item = Node | Token
Edge = tuple[Node, Node]
"""The second may start only when the first is complete."""


@dataclass
class Stream:
    """A program in the making.

    Attributes
    ----------
    edges:
        Dependences that no token of the loop program stands for.
    """

    items: list[Item] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
