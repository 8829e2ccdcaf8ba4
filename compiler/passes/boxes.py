"""Elements that a nest of loops accesses, as boxes of their buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dovetail.compiler.tir.affine import linear
from dovetail.compiler.tir.expr import Const, Expr, Load, Range, Var
from dovetail.compiler.tir.simplifier import Simplifier
from dovetail.compiler.tir.stmt import For, LoopKind, Region, Stmt

from .loop_nests import Nest, around, uses

FIXED = frozenset({LoopKind.VTHREAD, LoopKind.THREAD})
"""Loops that stay: their iterations become code of their own."""


@dataclass(frozen=True)
class Boxes:
    """What is left of a nest when some of its loops have become ranges of regions.

    Attributes
    ----------
    merged:
        Variables of the loops that are gone.
    loops:
        Those that are left.
    """

    nest: Nest
    merged: frozenset[Var]
    loops: tuple[For, ...]

    def region(self, load: Load) -> Region:
        """The elements that `load` reads, or a store to it writes, as the merged variables run."""
        simple = Simplifier(self.nest.bounds)
        ranges = []
        for index in load.indices:
            steps = linear(index, self.merged)
            assert steps is not None
            coefficients, begin = steps
            inside = [(by, var) for var, by in coefficients.items() if by]
            extent: Expr = Const(1)
            for _, var in inside:
                extent = extent * self._extent(var)
            step = min((by for by, _ in inside), default=1)
            ranges.append(Range(simple(begin), simple(extent), 1 if extent == Const(1) else step))
        return Region(load.buffer, tuple(ranges))

    def _extent(self, var: Var) -> Expr:
        return next(loop.extent for loop in self.nest.loops if loop.var is var)

    def around(self, stmt: Stmt) -> Stmt:
        """`stmt` in the loops and under the conditions that are left."""
        return around(self.loops, self.nest.conditions, stmt)


def merged(nest: Nest, full: Sequence[Load], first: Sequence[Var] = (), channels: Sequence[Load] = ()) -> Boxes:
    """The boxes of as many loops as possible, the inner ones rather than the outer ones.

    Loops are merged if all accesses have their variables with constant steps, each in one axis, and go through their
    axes in the same order; iterations must not depend on each other.

    Parameters
    ----------
    full:
        Accesses that every merged variable tells apart.
    first:
        Variables to merge before all others; whoever needs them looks for them in the result.
    channels:
        Accesses to one-dimensional buffers by the last of `first` alone, and by what is merged with it in one axis.
    """
    candidates = [loop for loop in reversed(nest.loops) if loop.kind not in FIXED]
    candidates.sort(key=lambda loop: loop.var not in first)
    channel = first[-1] if first else None
    chosen: list[For] = []
    for loop in candidates:
        if _fits(nest, [*chosen, loop], full, channels, channel):
            chosen.append(loop)
    variables = frozenset(loop.var for loop in chosen)
    return Boxes(nest, variables, tuple(loop for loop in nest.loops if loop.var not in variables))


def _fits(
    nest: Nest, loops: Sequence[For], full: Sequence[Load], channels: Sequence[Load], channel: Var | None
) -> bool:
    extents = {loop.var: loop.extent for loop in loops}
    if uses(extents, [loop.extent for loop in nest.loops]) or uses(extents, nest.conditions):
        return False
    groupings = []
    for load in full:
        groups = _groups(load, extents)
        if groups is None or sum(map(len, groups)) < len(extents):
            return False
        groupings.append(groups)
    if any(groups != groupings[0] for groups in groupings):
        return False
    with_channel = [group for group in groupings[0] if channel in group]
    return all(_groups(load, extents) == with_channel for load in channels)


def _groups(load: Load, extents: dict[Var, Expr]) -> list[list[Var]] | None:
    """The variables that each axis has, if it has any, those with large steps first; None if that makes no box."""
    seen: set[Var] = set()
    groups: list[list[Var]] = []
    for index in load.indices:
        steps = linear(index, extents)
        if steps is None:
            return None
        inside = sorted(((by, var) for var, by in steps[0].items() if by), key=lambda pair: -pair[0])
        if any(by < 0 or var in seen for by, var in inside):
            return None
        for (outer, _), (inner, var) in pairwise(inside):
            extent = extents[var]
            if not isinstance(extent, Const) or outer != inner * int(extent.value):
                return None
        seen.update(var for _, var in inside)
        if inside:
            groups.append([var for _, var in inside])
    return groups
