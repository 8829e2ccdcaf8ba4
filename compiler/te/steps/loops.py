"""Steps that make other loops of a stage's loops: split, tile, fuse, reorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.compiler.tir.expr import Var

from ..errors import ScheduleError
from ..extents import constant_extent
from ..stage import Fuse, Split, Stage
from ..tensor import Axis
from .checks import check_free, check_leaf, check_not_inline, check_not_tensorized, refuse

if TYPE_CHECKING:
    from ..schedule import Schedule


def split(
    schedule: Schedule, stage: Stage, axis: Axis, factor: int | None, nparts: int | None, first: int | None
) -> tuple[Axis, Axis]:
    """One loop becomes an outer and an inner one."""
    check_free("split", schedule, stage, axis)
    if (factor is None) == (nparts is None):
        refuse("split", axis, stage, "give either factor or nparts")
    if nparts is not None:
        _check_count("split", axis, stage, "nparts", nparts)
        extent = constant_extent(stage, axis)
        if extent is None:
            refuse("split", axis, stage, "nparts needs a constant extent; use factor")
        factor = -(-extent // nparts)
    assert factor is not None
    _check_count("split", axis, stage, "factor", factor)
    if first is not None:
        _check_count("split", axis, stage, "first", first)
        if first > factor:
            refuse("split", axis, stage, f"the first tile, {first}, is larger than the others, {factor}")
    outer = _derived(stage, axis, f"{axis.name}o")
    inner = _derived(stage, axis, f"{axis.name}i")
    stage.relations.append(Split(axis, outer, inner, factor, None if first == factor else first))
    place = stage.leaves.index(axis)
    stage.leaves[place : place + 1] = [outer, inner]
    return outer, inner


def tile(schedule: Schedule, stage: Stage, *axes_and_factors: Axis | int) -> tuple[Axis, ...]:
    """Splits loops and puts the outer ones before the inner ones, where the first of them was."""
    count = len(axes_and_factors) // 2
    axes = [axis for axis in axes_and_factors if isinstance(axis, Axis)]
    factors = [factor for factor in axes_and_factors if not isinstance(factor, Axis)]
    if not axes or len(axes) != count or list(axes_and_factors) != axes + factors:
        raise ScheduleError(f"tile of {stage.name}: give axes, then as many factors, as in tile(y, x, 8, 8)")
    for axis in axes:
        check_free("tile", schedule, stage, axis)
    if len(set(axes)) != count:
        raise ScheduleError(f"tile of {stage.name}: an axis is named twice in {_names(axes)}")
    start = min(stage.leaves.index(axis) for axis in axes)
    pairs = [split(schedule, stage, axis, factor, None, None) for axis, factor in zip(axes, factors, strict=True)]
    tiled = [outer for outer, _ in pairs] + [inner for _, inner in pairs]
    stage.leaves = stage.leaves[:start] + tiled + [leaf for leaf in stage.leaves[start:] if leaf not in tiled]
    return tuple(tiled)


def fuse(schedule: Schedule, stage: Stage, *axes: Axis) -> Axis:
    """Neighbouring loops become one."""
    if len(axes) < 2:
        raise ScheduleError(f"fuse of {_names(axes) or 'nothing'} in {stage.name}: it takes at least two axes")
    for axis in axes:
        check_free("fuse", schedule, stage, axis)
    fused = axes[0]
    for inner in axes[1:]:
        if inner.kind is not fused.kind:
            refuse(
                "fuse",
                _names(axes),
                stage,
                f"{fused} is a {fused.kind.value} axis and {inner} a {inner.kind.value} axis",
            )
        place = stage.leaves.index(fused)
        if stage.leaves[place + 1 : place + 2] != [inner]:
            refuse("fuse", _names(axes), stage, f"{inner} is not the loop directly inside of {fused}; reorder first")
        outer, fused = fused, _derived(stage, fused, f"{fused.name}_{inner.name}")
        stage.relations.append(Fuse(outer, inner, fused))
        stage.leaves[place : place + 2] = [fused]
    return fused


def reorder(schedule: Schedule, stage: Stage, *axes: Axis) -> None:
    """Loops take each other's places."""
    check_not_inline("reorder", stage)
    for axis in axes:
        check_leaf("reorder", schedule, stage, axis)
        check_not_tensorized("reorder", stage, axis)
    if len(set(axes)) != len(axes):
        raise ScheduleError(f"reorder of {_names(axes)} in {stage.name}: an axis is named twice")
    places = sorted(stage.leaves.index(axis) for axis in axes)
    for place, axis in zip(places, axes, strict=True):
        stage.leaves[place] = axis


def _derived(stage: Stage, like: Axis, name: str) -> Axis:
    """A new axis, of a name that no other of the stage has."""
    taken = {axis.name for axis in stage.axes}
    number, unique = 1, name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return Axis(Var(unique), None, like.kind)


def _check_count(step: str, axis: Axis, stage: Stage, what: str, number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        refuse(step, axis, stage, f"{what} must be an integer of at least 1, not {number}")


def _names(axes: tuple[Axis, ...] | list[Axis]) -> str:
    return ", ".join(str(axis) for axis in axes)
