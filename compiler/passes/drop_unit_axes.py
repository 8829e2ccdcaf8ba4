"""Drop the axes of buffers along which there is only one element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dovetail.compiler.tir.expr import Const, Load
from dovetail.compiler.tir.stmt import GLOBAL, Allocate, Buffer, Operand, Program, Region, Store
from dovetail.compiler.tir.structure import Node, allocated, transform

T = TypeVar("T")


def drop_unit_axes(program: Program) -> Program:
    """`program` with the axes of extent 1 gone from what it allocates outside of `GLOBAL` memory.

    A tile of a matrix that is one row is a vector then. One axis is left of a buffer that has one element.
    """
    shorter = {buffer: dropped for buffer in allocated(program) if (dropped := _dropped(buffer)) is not None}
    if not shorter:
        return program

    def change(node: Node) -> Node | None:
        match node:
            case Allocate(buffer, body) if buffer in shorter:
                return Allocate(shorter[buffer].buffer, body)
            case Load(buffer, indices) if buffer in shorter:
                return Load(shorter[buffer].buffer, shorter[buffer].of(indices))
            case Store(buffer, indices, value) if buffer in shorter:
                return Store(shorter[buffer].buffer, shorter[buffer].of(indices), value)
            case Region(buffer, ranges) if buffer in shorter:
                return Region(shorter[buffer].buffer, shorter[buffer].of(ranges))
            case Operand(region, axes) if region.buffer in of_shorter:
                kept = of_shorter[region.buffer].kept
                return Operand(region, tuple(kept.index(axis) if axis in kept else None for axis in axes))
        return None

    of_shorter = {dropped.buffer: dropped for dropped in shorter.values()}
    return transform(program, change)


@dataclass(frozen=True)
class _Dropped:
    """A buffer with fewer axes, and which of the former ones are left."""

    buffer: Buffer
    kept: tuple[int, ...]

    def of(self, parts: Sequence[T]) -> tuple[T, ...]:
        """The parts, one an axis, of the axes that are left."""
        return tuple(parts[axis] for axis in self.kept)


def _dropped(buffer: Buffer) -> _Dropped | None:
    """`buffer` without axes of extent 1, None if it keeps all."""
    kept = tuple(axis for axis, extent in enumerate(buffer.shape) if extent != Const(1))
    if buffer.scope == GLOBAL or len(kept) == len(buffer.shape):
        return None
    kept = kept or (len(buffer.shape) - 1,)
    if len(kept) == len(buffer.shape):
        return None
    return _Dropped(replace(buffer, shape=tuple(buffer.shape[axis] for axis in kept)), kept)
