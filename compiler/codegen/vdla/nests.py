"""Loop nests around one GEMM or ALU operation: where each step reads and writes, as loops with constant steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Buffer, For, Invoke, Operand

from .errors import CodegenError
from .inference import Placed
from .linear import Linear, Values, linear
from .memory import OnChip
from .primitives import Alu, Fill, Gemm, kind_of

Offsets = NDArray[np.int64]
"""Shape (n, 3): what is added to the indices of accumulator, source and weight tile."""
Step = tuple[int, int, int]
KEPT = 256
"""Nests that are remembered: one is executed thousands of times, and only begins elsewhere each time."""


@dataclass(frozen=True)
class Loop:
    """`extent` trips, each `step` further."""

    extent: int
    step: Step

    @property
    def reduces(self) -> bool:
        """All trips go to the same accumulators."""
        return self.step[0] == 0

    @cached_property
    def offsets(self) -> Offsets:
        return np.arange(self.extent, dtype=np.int64)[:, None] * np.array(self.step, dtype=np.int64)


@dataclass(frozen=True)
class Steps:
    """All that one execution of a nest does.

    Attributes
    ----------
    base:
        Indices of accumulator, source and weight tile of the first step.
    loops:
        Outermost first; none of extent 1.
    table:
        What the loops whose steps are not constant add, in order; it stands inside of `loops`. One row of zeros if
        there are no such loops.
    in_order:
        `loops` and `table` are in the order of the program.
    """

    base: Step
    loops: tuple[Loop, ...]
    table: Offsets
    in_order: bool

    @property
    def accumulators(self) -> NDArray[np.int64]:
        """Accumulators that are written, each once for every trip of a loop that moves on."""
        return self._reached(0)

    @property
    def sources(self) -> NDArray[np.int64]:
        """Source entries that are read, likewise."""
        return self._reached(1)

    def _reached(self, which: int) -> NDArray[np.int64]:
        table = self.table[:, which] if self.table[:, which].any() else self.table[:1, which]
        return self.base[which] + _reached(self.loops, table.tobytes(), which)


@lru_cache(maxsize=KEPT)
def _reached(loops: tuple[Loop, ...], table: bytes, which: int) -> NDArray[np.int64]:
    moving = [loop.offsets[:, which] for loop in loops if loop.step[which]]
    return outer_sum([*moving, np.frombuffer(table, dtype=np.int64)])


def outer_sum(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """All sums of one row of each, the last varying fastest."""
    total = parts[0]
    for part in parts[1:]:
        total = (total[:, None] + part[None]).reshape(-1, *part.shape[1:])
    return total


@dataclass(frozen=True)
class Nest:
    """A nest of loops around one operation on accumulators.

    Attributes
    ----------
    loops:
        Variables and extents; extents use only variables of loops outside of the nest.
    forms:
        Entries of accumulator, source and weight tile.
    """

    invoke: Invoke
    kind: Gemm | Fill | Alu
    loops: tuple[tuple[Var, Linear], ...]
    forms: tuple[Linear, Linear, Linear]

    def steps(self, values: Values, *, tabulate: bool = False) -> Steps | None:
        """What the nest does where the variables outside of it have these values; None if that is nothing.

        With `tabulate`, all of it is in the table, in the order of the program.
        """
        extents = [(var, extent(values)) for var, extent in self.loops]
        if any(extent <= 0 for _, extent in extents):
            return None
        start: dict[Var, int] = {**values, **{var: 0 for var, _ in extents}}
        base = tuple(form(start) for form in self.forms)
        bent = frozenset[Var]().union(*(form.bent for form in self.forms))
        loops: list[Loop] = []
        curved: list[tuple[Var, int]] = []
        in_order = True
        for var, extent in extents:
            if extent == 1:
                continue
            if tabulate or var in bent:
                curved.append((var, extent))
                continue
            in_order = in_order and not curved
            loops.append(Loop(extent, self._step(var)))
        return Steps((base[0], base[1], base[2]), merge(loops), self._table(curved, start, base), in_order)

    def _step(self, var: Var) -> Step:
        dst, src, wgt = (form.coefficient(var) for form in self.forms)
        return dst, src, wgt

    def _table(self, curved: list[tuple[Var, int]], start: Mapping[Var, int], base: tuple[int, ...]) -> Offsets:
        rows = []
        names = [var for var, _ in curved]
        for indices in product(*(range(extent) for _, extent in curved)):
            values = {**start, **dict(zip(names, indices, strict=True))}
            rows.append([form(values) - first for form, first in zip(self.forms, base, strict=True)])
        return np.array(rows, dtype=np.int64)


def merge(loops: Sequence[Loop]) -> tuple[Loop, ...]:
    """Neighbouring loops that step on evenly as one."""
    result: list[Loop] = []
    for loop in loops:
        if result and result[-1].step == tuple(loop.extent * step for step in loop.step):
            result[-1] = replace(loop, extent=result[-1].extent * loop.extent)
        else:
            result.append(loop)
    return tuple(result)


def compile_nest(loops: Sequence[For], invoke: Invoke, placed: Mapping[Buffer, Placed], on_chip: OnChip) -> Nest | None:
    """The nest of `loops` around `invoke`, None where an extent depends on one of the loops.

    Raises
    ------
    CodegenError:
        An operand is no whole entry.
    """
    kind = kind_of(invoke)
    assert isinstance(kind, Gemm | Fill | Alu)
    variables = {loop.var for loop in loops}
    extents = [(loop.var, linear(loop.extent)) for loop in loops]
    if any(variables & ({atom for atom, _ in extent.atoms} | extent.bent) for _, extent in extents):
        return None
    operands = [*invoke.outputs, *invoke.inputs]
    forms = [_entry(operand, invoke, placed, on_chip) for operand in operands]
    forms += [Linear(0)] * (3 - len(forms))
    return Nest(invoke, kind, tuple(extents), (forms[0], forms[1], forms[2]))


def _entry(operand: Operand, invoke: Invoke, placed: Mapping[Buffer, Placed], on_chip: OnChip) -> Linear:
    """The entry that an operand is."""
    buffer = operand.region.buffer
    if buffer not in on_chip.first:
        raise CodegenError(f"{invoke.primitive.name}: {buffer.name} is in {buffer.scope}; copy it to the chip first")
    layout = placed[buffer].layout
    total = Linear(on_chip.first[buffer])
    for axis, part in enumerate(operand.region.ranges):
        block = layout.blocks[axis]
        if linear(part.extent) != Linear(block):
            raise CodegenError(
                f"{invoke.primitive.name}: {part.extent} of axis {axis} of {buffer.name}; an entry holds {block}: "
                f"use the intrinsics of this machine's configuration"
            )
        begin = linear(part.begin).over(block)
        if begin is None:
            raise CodegenError(
                f"{invoke.primitive.name}: begins at {part.begin} of axis {axis} of {buffer.name}, which need not be "
                f"a multiple of {block}, the entry's extent"
            )
        total = total.plus(begin.times(layout.strides[axis]))
    return total
