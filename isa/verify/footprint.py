"""Which entries an instruction touches: of a 2-D block, or of a kernel of micro-ops under two loops.

Entries are sorted, without repetition. The work is bounded by the buffers' depths, whatever the loops' trip counts:
indices are checked first, and within a buffer a loop with a step visits no more places than the buffer has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Entries = slice | Indices
"""Sorted entries: a slice where they are evenly spaced, which NumPy handles faster."""

NEVER = np.iinfo(np.int64).max


class OutOfRangeError(Exception):
    """An index reaches `value`, outside of what there is."""

    def __init__(self, value: int) -> None:
        self.value = value


@dataclass(frozen=True)
class Loops:
    """Two nested loops and what each trip adds to an index."""

    outer: int
    inner: int
    outer_step: int
    inner_step: int

    @property
    def span(self) -> int:
        """The largest number that the loops add."""
        return (self.outer - 1) * self.outer_step + (self.inner - 1) * self.inner_step

    def first_trips(self, size: int) -> Indices:
        """For each number below `size`, the first trip (outer * `inner` + inner) that adds it, or `NEVER`."""
        first = np.full(size, NEVER)
        inner = _multiples(self.inner, self.inner_step)
        trips = np.arange(len(inner))
        for i, base in reversed(list(enumerate(_multiples(self.outer, self.outer_step).tolist()))):
            first[base + inner] = i * self.inner + trips
        return first


def _multiples(trips: int, step: int) -> Indices:
    return np.arange(trips if step else 1, dtype=np.int64) * step


def footprint(bases: Indices, loops: Loops, depth: int) -> Entries:
    """The entries `bases` plus whatever the loops add.

    Raises
    ------
    OutOfRangeError:
        An entry is not below `depth`.
    """
    last = int(bases.max()) + loops.span
    if last >= depth:
        raise OutOfRangeError(last)
    touched = np.zeros(depth, dtype=bool)
    touched[bases] = True
    for trips, step in ((loops.outer, loops.outer_step), (loops.inner, loops.inner_step)):
        _spread(touched, trips if step else 1, step)
    return compact(np.flatnonzero(touched))


def block(first: int, rows: int, cols: int, row_step: int, depth: int) -> Entries:
    """The entries of `rows` rows of `cols`, `row_step` apart, from entry `first` on. Raises `OutOfRangeError`."""
    return footprint(np.array([first]), Loops(rows, cols, row_step, 1), depth)


def _spread(touched: NDArray[np.bool_], trips: int, step: int) -> None:
    """Add to a set, given as flags, each of its members plus k * `step` for every k below `trips`."""
    covered = 1
    while covered < trips:
        more = min(covered, trips - covered)
        shift = more * step
        touched[shift:] |= touched[:-shift].copy()
        covered += more


def compact(entries: Indices) -> Entries:
    """Sorted entries as a slice, where that is possible."""
    if len(entries) == 0:
        return slice(0, 0, 1)
    if len(entries) == 1:
        return slice(int(entries[0]), int(entries[0]) + 1, 1)
    step = int(entries[1] - entries[0])
    if int(entries[-1] - entries[0]) == step * (len(entries) - 1) and bool((np.diff(entries) == step).all()):
        return slice(int(entries[0]), int(entries[-1]) + 1, step)
    return entries


def expand(entries: Entries) -> Indices:
    """Entries as an array."""
    return np.arange(entries.start, entries.stop, entries.step) if isinstance(entries, slice) else entries


def first_touch(bases: Indices, order: Indices, steps: int, loops: Loops, depth: int) -> Indices:
    """When each entry of a buffer is touched first.

    Parameters
    ----------
    bases:
        Entries that micro-ops name.
    order:
        The place of each of these micro-ops in its kernel.
    steps:
        Micro-ops of the kernel.
    loops:
        The loops around it; no index they give is outside the buffer.
    depth:
        Entries of the buffer.

    Returns
    -------
    int64 array of `depth`:
        Micro-ops executed before; `NEVER` where the entry is not touched.
    """
    trips = loops.first_trips(loops.span + 1)
    reached = trips != NEVER
    before = np.where(reached, trips, 0) * steps
    first = np.full(depth, NEVER)
    different, where = np.unique(bases, return_index=True)
    for base, at in zip(different.tolist(), where.tolist(), strict=True):
        window = first[base : base + len(trips)]
        np.minimum(window, np.where(reached, before + order[at], NEVER), out=window)
    return first
