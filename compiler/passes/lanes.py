"""Which loops of a nest are the elements of one of the machine's vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dovetail.compiler.tir.affine import affine
from dovetail.compiler.tir.expr import Load, Var
from dovetail.compiler.tir.stmt import Buffer, Invoke, Program
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.vdla.scopes import LANES

from .loop_nests import Nest

LaneAxes = Mapping[Buffer, tuple[int, ...]]
"""Axes that vectors lie along, outer ones first."""

VECTOR_RANK = 2
"""A vector of accumulators has two axes: `Config.batch` by `Config.block_out`."""


def lane_axes(program: Program) -> LaneAxes:
    """What the operands of primitives tell of their buffers."""
    axes: dict[Buffer, tuple[int, ...]] = {}
    for part in walk(program):
        if isinstance(part, Invoke):
            for operand in (*part.outputs, *part.inputs):
                axes.setdefault(operand.region.buffer, tuple(axis for axis in operand.axes if axis is not None))
    return axes


def lane_variables(nest: Nest, element: Load, known: LaneAxes) -> list[Var]:
    """Variables of the loops over one vector, outermost first.

    They are those of the loop that the schedule marks and of all inside of it; without a mark, those that step by one
    along the axes that `known` has for the buffer of `element`.

    Raises
    ------
    MappingError:
        There is no mark and nothing is known, or the loops are not the axes of a vector.
    """
    marked = next((place for place, loop in enumerate(nest.loops) if (LANES, True) in loop.pragmas), None)
    if marked is not None:
        lanes = [loop.var for loop in nest.loops[marked:]]
        if len(lanes) > VECTOR_RANK:
            names = ", ".join(var.name for var in lanes)
            raise nest.error(
                f"{names} are marked {LANES}, but a vector is batch by block_out; reorder the other loops outwards"
            )
        return lanes
    axes = known.get(element.buffer)
    if axes is None:
        raise nest.error(
            f"it is not known which loops go over one vector; split the axes of a vector off, reorder them to be "
            f"innermost, and mark the outer one: pragma(axis, {LANES!r})"
        )
    lanes = [var for axis in axes for var in unit_steps(nest, element, axis)]
    if len(lanes) < len(axes):
        raise nest.error(
            f"vectors of {element.buffer.name} go along its axes {', '.join(map(str, axes))}, but not all of them are "
            f"gone through in steps of 1"
        )
    return lanes


def vector_axes(axes: Sequence[int | None]) -> tuple[int | None, ...]:
    """Axes of an operand, outermost first, as the primitives declare them: batch and channels."""
    return (*([None] * (VECTOR_RANK - len(axes))), *axes)


def unit_steps(nest: Nest, element: Load, axis: int) -> list[Var]:
    """The variable that steps by one along an axis, if there is one."""
    terms = affine(element.indices[axis]).terms
    return [loop.var for loop in nest.loops if terms.get(loop.var) == 1][-1:]
