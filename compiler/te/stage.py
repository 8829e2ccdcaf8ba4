"""The state of a schedule: for each operation a stage, with its loops, and where and how they run.

Stages are what schedule steps edit and lowering reads. Only `schedule` and its primitives change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dovetail.compiler.tir.stmt import GLOBAL, LoopKind

from .intrinsic import TensorIntrinsic
from .tensor import Axis, ComputeOp, Tensor


@dataclass(frozen=True)
class Split:
    """parent = begin + outer * factor + inner, with inner < factor.

    Attributes
    ----------
    factor:
        Extent of `inner`.
    first:
        Extent of the first tile, from 1 to `factor`, where it is to be smaller: then parent = begin + outer * factor +
        inner - (factor - first), and the first tile begins at inner = factor - first. By default `factor`.
    """

    parent: Axis
    outer: Axis
    inner: Axis
    factor: int
    first: int | None = None

    @property
    def made(self) -> tuple[Axis, ...]:
        return (self.outer, self.inner)


@dataclass(frozen=True)
class Fuse:
    """fused = outer * extent of inner + inner."""

    outer: Axis
    inner: Axis
    fused: Axis

    @property
    def made(self) -> tuple[Axis, ...]:
        return (self.fused,)


Relation = Split | Fuse


@dataclass(frozen=True)
class LoopAttributes:
    """How the loop of a leaf axis runs.

    Attributes
    ----------
    thread:
        The thread axis that it is bound to.
    """

    kind: LoopKind = LoopKind.SERIAL
    thread: Axis | None = None
    pragmas: tuple[tuple[str, Any], ...] = ()


@dataclass(eq=False)
class Stage:
    """How one operation is computed.

    Attributes
    ----------
    origin:
        The tensor by which the user knows it.
    op:
        What is computed; `cache_read` and its like replace it.
    leaves:
        The loops, outermost first.
    relations:
        How leaves came from `op.axis` and `op.reduce_axis`, in the order of the steps.
    scope:
        Where the result lies.
    copies:
        Copies of the result's buffer that are used in turn.
    attach:
        None at the root; else the stage and the leaf of it in whose body this one is computed.
    inline:
        It is no loops of its own: its body stands where it is read.
    tensorized:
        The leaf from which on an intrinsic replaces the loops.
    whole:
        Axes of `op` that are computed from end to end, even where less is read.
    output:
        It was asked for in `create_schedule`.
    name:
        That of `origin`, made unique within the schedule.
    """

    origin: Tensor
    op: ComputeOp
    leaves: list[Axis]
    relations: list[Relation] = field(default_factory=list)
    attributes: dict[Axis, LoopAttributes] = field(default_factory=dict)
    scope: str = GLOBAL
    copies: int = 1
    attach: tuple[Stage, Axis] | None = None
    inline: bool = False
    tensorized: tuple[Axis, TensorIntrinsic] | None = None
    whole: list[Axis] = field(default_factory=list)
    output: bool = False
    name: str = ""

    @property
    def axes(self) -> list[Axis]:
        """Every axis that the stage has or had as a loop: those of its operation, then those that steps made."""
        made = [axis for relation in self.relations for axis in relation.made]
        return [*self.op.axis, *self.op.reduce_axis, *made]

    def loop(self, leaf: Axis) -> LoopAttributes:
        """The attributes of a leaf's loop."""
        return self.attributes.get(leaf, LoopAttributes())
