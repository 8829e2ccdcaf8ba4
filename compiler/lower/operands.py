"""Operands of intrinsics: regions of buffers that inner loops step through as an intrinsic's axes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.tir.affine import linear
from dovetail.compiler.tir.expr import Const, Load, Range, Var
from dovetail.compiler.tir.stmt import Operand, Region
from dovetail.compiler.tir.structure import free_vars

from .facts import Facts


class MismatchError(Exception):
    """Why an operand does not fit."""


def operand(
    element: Load,
    axes: Sequence[Axis],
    loops: Mapping[Axis, Var | None],
    extents: Mapping[Var, Const],
    facts: Facts,
) -> Operand:
    """The region that `element` goes through in the inner loops, as an operand of an intrinsic.

    Parameters
    ----------
    axes:
        The intrinsic's axes that index the operand, in order.
    loops:
        The loop that is each of the intrinsic's axes; None for one of extent 1 that no loop is.
    extents:
        Of all inner loops.

    Raises
    ------
    MismatchError:
        A loop does not step through the element's buffer by one, along one axis of its own.
    """
    dims: dict[Var, int] = {}
    ranges: list[Range] = []
    name = element.buffer.name
    for dim, index in enumerate(element.indices):
        parts = linear(index, extents)
        if parts is None:
            raise MismatchError(f"{name} is indexed with {index} along axis {dim}, which is not affine in the loops")
        steps = {var: step for var, step in parts[0].items() if step}
        if not steps:
            ranges.append(Range(facts.simplify(parts[1]), Const(1)))
            continue
        if len(steps) > 1:
            raise MismatchError(
                f"{name} is indexed with {index} along axis {dim}, by loops {' and '.join(map(str, steps))} at once"
            )
        ((var, step),) = steps.items()
        if step != 1:
            raise MismatchError(
                f"{name} is indexed with {index} along axis {dim}, in which loop {var} steps by {step}, not 1"
            )
        if var in dims:
            raise MismatchError(f"loop {var} indexes two axes of {name}")
        dims[var] = dim
        ranges.append(Range(facts.simplify(parts[1]), extents[var]))
    mapped = [loops[axis] for axis in axes]
    for axis, loop in zip(axes, mapped, strict=True):
        if loop is not None and loop not in dims:
            raise MismatchError(f"{name} does not depend on loop {loop}, as it must along {axis}")
    for used in dims:
        if used not in mapped:
            raise MismatchError(f"{name} depends on loop {used}, which no axis of the operand is")
    places = tuple(None if loop is None else dims[loop] for loop in mapped)
    return Operand(Region(element.buffer, tuple(ranges)), places)


def indexed_by(element: Load, extents: Mapping[Var, Const]) -> frozenset[Var]:
    """The inner loops that an element's indices depend on."""
    return frozenset(var for index in element.indices for var in free_vars(index) if var in extents)
