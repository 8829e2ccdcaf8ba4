"""Steps of a nest as instructions: two hardware loops around a kernel of micro-ops, as often as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import Config
from dovetail.isa.instructions import Gemm, Load

from .nests import KEPT, Loop, Offsets, Step, Steps, merge, outer_sum

UOP_SHARE = 2
"""A kernel has at most this share of the micro-op buffer, so that the next can be loaded meanwhile."""

STILL = Loop(1, (0, 0, 0))


@dataclass(frozen=True)
class Piece:
    """One instruction's loops and micro-ops.

    Attributes
    ----------
    begins:
        It is the first that reaches its accumulators.
    """

    outer: Loop
    inner: Loop
    micro_ops: Offsets
    begins: bool

    @property
    def fields(self) -> dict[str, int]:
        """The fields of the loops, for GEMM; the ALU has no weights."""
        fields = {"outer": self.outer.extent, "inner": self.inner.extent}
        for name, loop in (("outer", self.outer), ("inner", self.inner)):
            for what, step in zip(("dst", "src", "wgt"), loop.step, strict=True):
                fields[f"{what}_{name}"] = step if loop.extent > 1 else 0
        return fields

    @property
    def accumulators(self) -> NDArray[np.int64]:
        """Accumulators that are written, with repetitions."""
        parts = [self.outer.offsets[:, 0], self.inner.offsets[:, 0], np.unique(self.micro_ops[:, 0])]
        return outer_sum(parts)


@dataclass(frozen=True)
class Folding:
    """What the fields of GEMM and ALU hold."""

    trips: int
    micro_ops: int
    steps: Step

    @classmethod
    def of(cls, config: Config) -> Folding:
        fields = Gemm.layout(config)
        dst, src, wgt = (fields[f"{what}_outer"].high for what in ("dst", "src", "wgt"))
        most = min(config.uop_depth // UOP_SHARE, Load.layout(config)["cols"].high)
        return cls(fields["outer"].high, most, (dst, src, wgt))

    def free(self, steps: Steps, *, apart: bool) -> Iterator[Piece]:
        """Instructions for steps that may be done in any order.

        Parameters
        ----------
        apart:
            All micro-ops of a kernel go to one accumulator, so that an instruction finishes what it begins as far as
            one kernel reaches. Otherwise there are as few instructions as possible.
        """
        base = np.array(steps.base, dtype=np.int64)
        for piece in _from_zero(self, steps.loops, steps.table.tobytes(), apart):
            yield Piece(piece.outer, piece.inner, base + piece.micro_ops, piece.begins)

    def from_zero(self, loops: Sequence[Loop], table: Offsets, *, apart: bool) -> Iterator[Piece]:
        """What `free` gives for steps with these `Steps.loops` and this `Steps.table` that begin at 0."""
        data = list(merge([loop for loop in loops if not loop.reduces]))
        sums = list(merge([loop for loop in loops if loop.reduces]))
        fixed = not table[:, 0].any()
        hardware = self._largest(data, 2)
        rest = [loop.offsets for loop in _without(data, hardware)]
        if not fixed:
            rest.append(table)
        kernel = [loop.offsets for loop in sums] + ([table] if fixed else [])
        if not apart:
            kernel, rest = [*rest, *kernel], []
            if prod(map(len, kernel)) > self.micro_ops and len(hardware) < 2:
                chosen = self._largest(sums, 2 - len(hardware))
                hardware = [*chosen, *hardware]
                kernel = [loop.offsets for loop in (*_without(data, hardware), *_without(sums, chosen))] + [table]
        for peeled in outer_sum([np.zeros((1, 3), dtype=np.int64), *rest]):
            yield from self._pieces(peeled, hardware, kernel)

    def ordered(self, steps: Steps) -> Iterator[Piece]:
        """Instructions for steps whose order matters."""
        base = np.array([steps.base], dtype=np.int64)
        loops = list(steps.loops)
        peeled: list[Loop] = []
        while loops and prod(loop.extent for loop in loops[2:]) * len(steps.table) > self.micro_ops:
            peeled.append(loops.pop(0))
        while len(self._largest(loops[:2], 2)) < len(loops[:2]):
            peeled.append(loops.pop(0))
        kernel = [loop.offsets for loop in loops[2:]] + [steps.table]
        for offset in outer_sum([base, *(loop.offsets for loop in peeled)]):
            yield from self._pieces(offset, loops[:2], kernel)

    def _largest(self, loops: Sequence[Loop], most: int) -> list[Loop]:
        """The loops that the hardware's loops can be, at most so many, those with the most trips, in their order."""
        able = [
            place
            for place, loop in enumerate(loops)
            if all(0 <= step <= high for step, high in zip(loop.step, self.steps, strict=True))
        ]
        able.sort(key=lambda place: -loops[place].extent)
        return [loops[place] for place in sorted(able[:most])]

    def _pieces(self, base: NDArray[np.int64], hardware: Sequence[Loop], kernel: Sequence[Offsets]) -> Iterator[Piece]:
        """Instructions around `base`, with the hardware's loops cut to what their fields hold."""
        outer, inner = [STILL] * (2 - len(hardware)) + list(hardware)
        for i in range(0, outer.extent, self.trips):
            for j in range(0, inner.extent, self.trips):
                start = base + i * np.array(outer.step) + j * np.array(inner.step)
                trips_outer = replace(outer, extent=min(self.trips, outer.extent - i))
                trips_inner = replace(inner, extent=min(self.trips, inner.extent - j))
                begins = True
                for part in _parts(kernel, self.micro_ops):
                    yield Piece(trips_outer, trips_inner, start + part, begins)
                    begins = False


@lru_cache(maxsize=KEPT)
def _from_zero(folding: Folding, loops: tuple[Loop, ...], table: bytes, apart: bool) -> tuple[Piece, ...]:
    return tuple(folding.from_zero(loops, np.frombuffer(table, dtype=np.int64).reshape(-1, 3), apart=apart))


def _without(loops: Sequence[Loop], taken: Sequence[Loop]) -> list[Loop]:
    return [loop for loop in loops if not any(loop is other for other in taken)]


def _parts(kernel: Sequence[Offsets], most: int) -> Iterator[Offsets]:
    """A kernel in parts of at most `most` micro-ops, cut along its outer loops."""
    if not kernel:
        yield np.zeros((1, 3), dtype=np.int64)
        return
    below = prod(map(len, kernel[1:]))
    size = max(1, most // below)
    count = -(-len(kernel[0]) // size)
    for chunk in np.array_split(kernel[0], count):
        if below <= most:
            yield outer_sum([chunk, *kernel[1:]])
        else:
            for part in _parts(kernel[1:], most):
                yield chunk + part
