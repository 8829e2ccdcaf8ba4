"""The loops of a stage: how far each runs, what the axes are in terms of them, and what they must be guarded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dovetail.compiler.te.stage import Fuse, LoopAttributes, Relation, Split, Stage
from dovetail.compiler.te.tensor import Axis, AxisKind
from dovetail.compiler.tir.expr import Const, Expr, Var, maximum, minimum
from dovetail.compiler.tir.stmt import LoopKind

from .errors import LoweringError
from .facts import Facts, is_one
from .names import Names
from .spans import ONE, ZERO, Span
from .tiles import replaced

_CONSTANT = frozenset({LoopKind.VECTORIZED, LoopKind.UNROLLED, LoopKind.VTHREAD, LoopKind.THREAD})


@dataclass(frozen=True)
class Loop:
    """The loop of a leaf.

    Attributes
    ----------
    var:
        None for one that runs once and of which nothing is said: it is no loop.
    shared:
        The variable is that of an enclosing loop over the same threads: it is not a loop of its own.
    """

    leaf: Axis
    var: Var | None
    extent: Expr
    attributes: LoopAttributes
    shared: bool = False


@dataclass(frozen=True)
class Check:
    """value < limit, and 0 <= value where `low`, which the loops alone do not ensure."""

    axis: Axis
    value: Expr
    limit: Expr
    low: bool


@dataclass(eq=False)
class Domain:
    """A stage's axes over the region that it computes.

    All values of axes are relative to where the axis begins, and run from 0. A split whose factor does not divide gives
    an inner loop of exactly the extent that is left, ``min(factor, extent - outer * factor)``, where the outer axis's
    loop encloses it and it may have an extent that varies. Elsewhere a check guards the body.

    Attributes
    ----------
    region:
        For each axis of the operation, data axes first, what of it is computed.
    threads:
        Enclosing loops over threads, by tag or, for virtual threads, by axis: their variables and extents.
    """

    stage: Stage
    region: Mapping[Axis, Span]
    facts: Facts
    names: Names
    threads: Mapping[object, tuple[Var, Expr]]
    loops: list[Loop] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replaced = frozenset(replaced(self.stage))
        self.parents: dict[Axis, Relation] = {}
        self.made_of: dict[Axis, Relation] = {}
        for relation in self.stage.relations:
            if isinstance(relation, Split):
                self.made_of[relation.outer] = self.made_of[relation.inner] = relation
                self.parents[relation.parent] = relation
            else:
                self.made_of[relation.fused] = relation
                self.parents[relation.outer] = self.parents[relation.inner] = relation
        self.place = {leaf: place for place, leaf in enumerate(self.stage.leaves)}
        self._extents: dict[Axis, Expr] = {}
        self._values: dict[Axis, Expr] = {}
        self._loops: dict[Axis, Loop] = {}
        self._bases: dict[Split, Expr] = {}
        self._padded: set[Split] = set()
        self.loops = [self._loop(leaf) for leaf in self.stage.leaves]
        for axis, span in self.region.items():
            self.value(axis)
            if self.extent(axis) != span.extent:
                self.checks.append(Check(axis, self.value(axis), span.extent, False))
        for relation in self.stage.relations:
            if relation in self._padded and isinstance(relation, Split):
                parent, low = relation.parent, relation.first is not None
                self.checks.append(Check(parent, self.value(parent), self.valid(parent), low))

    def absolute(self, axis: Axis) -> Expr:
        """The value of an axis of the operation, in terms of loops."""
        return self.facts.simplify(self.region[axis].begin + self.value(axis))

    def valid(self, axis: Axis) -> Expr:
        """How many values of an axis are asked for."""
        return self.region[axis].extent if axis in self.region else self.extent(axis)

    def extent(self, axis: Axis) -> Expr:
        """How many values of an axis the loops go through, at least those that are valid."""
        if axis not in self._extents:
            self._extents[axis] = self._extent(axis)
        return self._extents[axis]

    def _extent(self, axis: Axis) -> Expr:
        relation = self.made_of.get(axis)
        if relation is None:
            extent = self.region[axis].extent
            return self._constant(axis, extent) if self._must_be_constant(axis) else extent
        if isinstance(relation, Fuse):
            return self.facts.simplify(self.extent(relation.outer) * self.extent(relation.inner))
        parent, factor = self.extent(relation.parent), relation.factor
        if axis is relation.outer:
            return self.facts.simplify((parent + (lead(relation) + factor - 1)) // factor)
        if relation.first is None and self.facts.simplify(parent % factor) == ZERO:
            return Const(factor)
        if self._encloses(relation):
            start = self.value(relation.outer) * factor - lead(relation)
            base = self.facts.simplify(maximum(start, 0)) if relation.first is not None else start
            if relation.first is not None:
                exact = self.facts.simplify(minimum(parent, start + factor) - base)
            else:
                exact = self.facts.simplify(minimum(factor, parent - start))
            if isinstance(exact, Const) or not self._must_be_constant(relation.inner):
                self._bases[relation] = base
                return exact
        self._padded.add(relation)
        return Const(factor)

    def _encloses(self, split: Split) -> bool:
        """Whether the loops of `outer` are outside of those of `inner`."""
        outer, inner = ([self.place[leaf] for leaf in self.leaves(axis)] for axis in (split.outer, split.inner))
        return is_one(self.extent(split.outer)) or max(outer) < min(inner)

    def leaves(self, axis: Axis) -> list[Axis]:
        relation = self.parents.get(axis)
        if relation is None:
            return [axis]
        if isinstance(relation, Fuse):
            return self.leaves(relation.fused)
        return self.leaves(relation.outer) + self.leaves(relation.inner)

    def _must_be_constant(self, axis: Axis) -> bool:
        relation = self.parents.get(axis)
        if relation is None:
            return axis in self.replaced or self.stage.loop(axis).kind in _CONSTANT
        if isinstance(relation, Split):
            return self._must_be_constant(relation.outer)
        return axis is relation.inner or self._must_be_constant(relation.fused)

    def _constant(self, axis: Axis, extent: Expr) -> Expr:
        most = self.facts.most(extent)
        return extent if most is None else most

    def _loop(self, leaf: Axis) -> Loop:
        if leaf not in self._loops:
            self._loops[leaf] = self._new_loop(leaf)
        return self._loops[leaf]

    def _new_loop(self, leaf: Axis) -> Loop:
        extent, attributes = self.extent(leaf), self.stage.loop(leaf)
        thread = attributes.thread
        if thread is not None:
            key = thread_key(thread)
            if key in self.threads:
                var, width = self.threads[key]
                return self._shared_loop(leaf, attributes, var, width)
            if thread.extent is not None and thread.extent != extent:
                raise LoweringError(
                    f"{self.stage.name}: {leaf} has the extent {extent}, but {thread.thread or thread} to which it is "
                    f"bound has {thread.extent}; split {leaf} so that they agree"
                )
        if attributes.kind in _CONSTANT and attributes.kind is not LoopKind.THREAD and not isinstance(extent, Const):
            raise LoweringError(
                f"{self.stage.name}: {leaf} is {attributes.kind.value}, but its extent {extent} is not a number; "
                f"split it by a number first"
            )
        if is_one(extent) and attributes.kind is not LoopKind.THREAD and not attributes.pragmas:
            return Loop(leaf, None, ONE, attributes)
        var = Var(self.names.unique(leaf.name))
        self.facts.bind(var, extent)
        return Loop(leaf, var, extent, attributes)

    def _shared_loop(self, leaf: Axis, attributes: LoopAttributes, var: Var, width: Expr) -> Loop:
        extent = self.extent(leaf)
        if extent != width:
            if not self.facts.proves(extent <= width):
                raise LoweringError(
                    f"{self.stage.name}: {leaf} has the extent {extent}, more than the {width} threads of {var}, "
                    f"to which it is bound; split it by {width}"
                )
            self.checks.append(Check(leaf, var, extent, False))
        return Loop(leaf, var, extent, attributes, shared=True)

    def value(self, axis: Axis) -> Expr:
        """An axis, relative to where it begins, in terms of loops."""
        if axis not in self._values:
            self._values[axis] = ZERO if is_one(self.extent(axis)) else self._value(axis)
        return self._values[axis]

    def _value(self, axis: Axis) -> Expr:
        relation = self.parents.get(axis)
        if relation is None:
            var = self._loop(axis).var
            return ZERO if var is None else var
        if isinstance(relation, Fuse):
            fused, inner = self.value(relation.fused), self.extent(relation.inner)
            return self.facts.simplify(fused // inner if axis is relation.outer else fused % inner)
        inner_value = self.value(relation.inner)
        return self.facts.simplify(self.base(relation) + inner_value)

    def base(self, split: Split) -> Expr:
        """Where the inner axis of a split begins in its parent, in terms of the loops of the outer one."""
        self.extent(split.inner)
        if split not in self._bases:
            start = self.value(split.outer) * split.factor - lead(split)
            self._bases[split] = self.facts.simplify(start)
        return self._bases[split]

    def reduction(self) -> int | None:
        """The place of the outermost loop over a reduce axis, None if there is none."""
        kinds = [leaf.kind for leaf in self.stage.leaves]
        return kinds.index(AxisKind.REDUCE) if AxisKind.REDUCE in kinds else None


def lead(split: Split) -> int:
    """How many values the first tile lacks."""
    return 0 if split.first is None else split.factor - split.first


def thread_key(thread: Axis) -> object:
    """What makes two thread axes the same threads."""
    return thread if thread.thread == "vthread" else thread.thread
