"""Loops around several operations as several loops around one operation each, where that computes the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Buffer, For, Invoke, Seq, Stmt
from dovetail.isa.instructions import AluSource

from .inference import Placed
from .linear import Linear, Values, linear
from .memory import OnChip
from .nests import Nest, compile_nest, outer_sum
from .primitives import Alu, Requantise, kind_of


@dataclass(frozen=True)
class _Shared:
    """A loop around several of the nests.

    Attributes
    ----------
    nests:
        Places of those nests.
    depth:
        How many of their loops are outside of it.
    """

    var: Var
    extent: Linear
    nests: range
    depth: int


@dataclass(frozen=True)
class Fission:
    """Nests that together do what a loop does, if its iterations do not touch each other's accumulators."""

    nests: tuple[Nest, ...]
    shared: tuple[_Shared, ...]
    _known: dict[tuple[int, ...], bool] = field(default_factory=dict)

    def allowed(self, values: Values) -> bool:
        """Whether the nests may run one after the other where the variables outside have these values."""
        extents = [extent(values) for nest in self.nests for _, extent in nest.loops]
        start: dict[Var, int] = {**values, **{var: 0 for nest in self.nests for var, _ in nest.loops}}
        bases = [form(start) for nest in self.nests for form in _accumulators(nest)]
        key = (*extents, *(base - bases[0] for base in bases))
        if key not in self._known:
            self._known[key] = all(extents) and all(self._apart(loop, start) for loop in self.shared)
        return self._known[key]

    def _apart(self, loop: _Shared, start: Values) -> bool:
        nests = [self.nests[place] for place in loop.nests]
        forms = [(nest, form) for nest in nests for form in _accumulators(nest)]
        steps = {form.coefficient(loop.var) for _, form in forms}
        bent = any(var in form.bent for nest, form in forms for var, _ in nest.loops)
        if bent or len(steps) > 1:
            return False
        touched = np.unique(np.concatenate([_entries(nest, form, loop.depth + 1, start) for nest, form in forms]))
        moved = np.arange(loop.extent(start), dtype=np.int64) * steps.pop()
        return len(np.unique(outer_sum([moved, touched]))) == len(moved) * len(touched)


def _accumulators(nest: Nest) -> tuple[Linear, ...]:
    """The accumulators that a nest reads or writes."""
    reads = isinstance(nest.kind, Alu) and nest.kind.source is AluSource.ACC
    return nest.forms[:2] if reads else nest.forms[:1]


def _entries(nest: Nest, form: Linear, depth: int, start: Values) -> NDArray[np.int64]:
    """The entries that `form` is in the loops of `nest` from `depth` on."""
    parts = [np.array([form(start)], dtype=np.int64)]
    for var, extent in nest.loops[depth:]:
        if form.coefficient(var):
            parts.append(np.arange(extent(start), dtype=np.int64) * form.coefficient(var))
    return outer_sum(parts)


def distributed(loop: For, placed: Mapping[Buffer, Placed], on_chip: OnChip) -> Fission | None:
    """The nests of the operations in `loop`; None if it has anything else in it, or an extent that is not constant."""
    found: list[tuple[tuple[For, ...], Invoke]] = []
    shared: list[_Shared] = []
    if not _collect(loop, (), found, shared.append):
        return None
    nests = [compile_nest(loops, invoke, placed, on_chip) for loops, invoke in found]
    whole = [nest for nest in nests if nest is not None]
    return Fission(tuple(whole), tuple(shared)) if len(whole) == len(nests) else None


def _collect(
    stmt: Stmt, loops: tuple[For, ...], found: list[tuple[tuple[For, ...], Invoke]], share: Callable[[_Shared], None]
) -> bool:
    match stmt:
        case Invoke():
            found.append((loops, stmt))
            return not isinstance(kind_of(stmt), Requantise)
        case Seq():
            return all(_collect(child, loops, found, share) for child in stmt.body)
        case For():
            begin = len(found)
            if not _collect(stmt.body, (*loops, stmt), found, share):
                return False
            if len(found) > begin + 1:
                share(_Shared(stmt.var, linear(stmt.extent), range(begin, len(found)), len(loops)))
            return True
    return False
