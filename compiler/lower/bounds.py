"""Bound inference: which part of each tensor the loops around its stage ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dovetail.compiler.te.stage import Fuse, Split, Stage
from dovetail.compiler.te.tensor import Axis
from dovetail.compiler.tir.expr import Const, Expr, Var
from dovetail.compiler.tir.stmt import SHARED

from .dataflow import Dataflow
from .domain import Domain, lead
from .facts import Facts, is_one
from .spans import ZERO, Span, clip, point, quotients, relaxed, remainders, span_of, union
from .tiles import whole_tiles

Place = tuple[Stage, Axis] | None
"""The body of a leaf's loop; None is outside of all loops."""


class Bounds:
    """Regions of stages. Those seen from a place need the domains of the stages whose loops enclose it.

    Attributes
    ----------
    domains:
        Of stages whose loops are known; the builder of loops adds them.
    threads:
        The variables of loops over the threads of a group, which fill shared memory together.
    """

    def __init__(self, flow: Dataflow, facts: Facts) -> None:
        self.flow = flow
        self.facts = facts
        self.domains: dict[Stage, Domain] = {}
        self.threads: set[Var] = set()
        self._needed: dict[tuple[Stage, Place], tuple[Span, ...]] = {}
        self._seen: dict[tuple[Stage, Place], dict[Axis, Span]] = {}

    def region(self, stage: Stage) -> dict[Axis, Span]:
        """What a stage computes at the place where it is attached: a span for each axis of its operation."""
        return self._with_reduction(stage, self.needed(stage, stage.attach))

    def needed(self, stage: Stage, place: Place) -> tuple[Span, ...]:
        """The part of a stage's tensor that is read inside of `place`, in terms of the loops around."""
        key = (stage, place)
        if key not in self._needed:
            self._needed[key] = self._region(stage, place)
        return self._needed[key]

    def _region(self, stage: Stage, place: Place) -> tuple[Span, ...]:
        shape = stage.op.shape
        if stage in self.flow.outputs:
            return tuple(Span(ZERO, extent) for extent in shape)
        spans = tuple(
            Span(ZERO, extent) if span is None or axis in stage.whole else span
            for axis, extent, span in zip(stage.op.axis, shape, self._union_of_reads(stage, place), strict=True)
        )
        spans = whole_tiles(stage, spans, self.facts)
        return self._of_all_threads(spans, shape) if stage.scope == SHARED and self.threads else spans

    def _union_of_reads(self, stage: Stage, place: Place) -> list[Span | None]:
        shape = stage.op.shape
        needed: list[Span | None] = [None] * len(shape)
        for consumer, read in self.flow.readers[stage]:
            spans = {axis.var: span for axis, span in self.seen(consumer, place).items()}
            for dim, index in enumerate(read.indices):
                found = span_of(index, spans, self.facts)
                span = Span(ZERO, shape[dim]) if found is None else clip(found, shape[dim], self.facts)
                so_far = needed[dim]
                needed[dim] = span if so_far is None else union(so_far, span, self.facts)
        return needed

    def _of_all_threads(self, spans: Sequence[Span], shape: Sequence[Expr]) -> tuple[Span, ...]:
        relaxed_spans = (relaxed(span, self.threads, self.facts) for span in spans)
        return tuple(
            Span(ZERO, extent) if span is None else clip(span, extent, self.facts)
            for span, extent in zip(relaxed_spans, shape, strict=True)
        )

    def seen(self, stage: Stage, place: Place) -> dict[Axis, Span]:
        """What the axes of a stage's operation go through inside of `place`."""
        key = (stage, place)
        if key not in self._seen:
            if place is not None and place[0] is stage:
                cut = stage.leaves.index(place[1]) + 1
                self._seen[key] = spans_inside(self.domains[stage], set(stage.leaves[:cut]))
            else:
                self._seen[key] = self._with_reduction(stage, self.needed(stage, place))
        return self._seen[key]

    def _with_reduction(self, stage: Stage, spans: tuple[Span, ...]) -> dict[Axis, Span]:
        region = dict(zip(stage.op.axis, spans, strict=True))
        for axis in stage.op.reduce_axis:
            assert axis.extent is not None
            region[axis] = Span(axis.begin, axis.extent)
        return region


def spans_inside(domain: Domain, fixed: Collection[Axis]) -> dict[Axis, Span]:
    """What the axes of an operation go through while the loops of the leaves `fixed` stand still."""
    return {axis: _absolute(domain, axis, fixed) for axis in domain.region}


def _absolute(domain: Domain, axis: Axis, fixed: Collection[Axis]) -> Span:
    span = _relative(domain, axis, fixed)
    return Span(domain.facts.simplify(domain.region[axis].begin + span.begin), span.extent)


def _relative(domain: Domain, axis: Axis, fixed: Collection[Axis]) -> Span:
    facts = domain.facts
    moving = [leaf for leaf in domain.leaves(axis) if not is_one(domain.extent(leaf))]
    if all(leaf in fixed for leaf in moving):
        return point(domain.value(axis))
    if not any(leaf in fixed for leaf in moving):
        return Span(ZERO, domain.valid(axis))
    relation = domain.parents[axis]
    if isinstance(relation, Fuse):
        fused, inner = _relative(domain, relation.fused, fixed), domain.extent(relation.inner)
        if axis is relation.inner:
            return remainders(fused, inner, facts)
        return clip(quotients(fused, inner, facts), domain.valid(axis), facts)
    return clip(_joined(domain, relation, fixed), domain.valid(axis), facts)


def _joined(domain: Domain, split: Split, fixed: Collection[Axis]) -> Span:
    """The span of a split's parent."""
    facts = domain.facts
    outer, inner = _relative(domain, split.outer, fixed), _relative(domain, split.inner, fixed)
    if all(leaf in fixed or is_one(domain.extent(leaf)) for leaf in domain.leaves(split.outer)):
        return Span(facts.simplify(domain.base(split) + inner.begin), inner.extent)
    if not any(leaf in fixed for leaf in domain.leaves(split.inner)):
        inner = Span(ZERO, Const(split.factor))
    begin = outer.begin * split.factor - lead(split) + inner.begin
    return Span(facts.simplify(begin), facts.simplify((outer.extent - 1) * split.factor + inner.extent))
