"""Random micro-ops and loops that stay inside windows of the buffers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import Config
from dovetail.isa.instructions import LOOP_BITS, Buffer, uop_fields

MAX_STEP = 64
"""Of a loop, in entries."""


@dataclass(frozen=True)
class Window:
    """Entries `begin` to `end` - 1 of a buffer."""

    begin: int
    end: int

    def holds(self, entry: int) -> bool:
        return self.begin <= entry < self.end


@dataclass(frozen=True)
class RandomLoops:
    """Loops around a kernel. `steps` has for each index what an outer and an inner trip add."""

    kernel: NDArray[np.int64]
    outer: int
    inner: int
    steps: tuple[tuple[int, int], ...]

    def entries(self) -> list[NDArray[np.int64]]:
        """For each index, all values that it takes."""
        found = []
        for place, (outer_step, inner_step) in enumerate(self.steps):
            offsets = np.add.outer(
                np.arange(self.outer if outer_step else 1) * outer_step,
                np.arange(self.inner if inner_step else 1) * inner_step,
            )
            found.append(np.add.outer(np.unique(self.kernel[:, place]), np.unique(offsets)).ravel())
        return found

    def fields(self, names: tuple[str, ...]) -> dict[str, int]:
        fields = {"outer": self.outer, "inner": self.inner}
        for name, (outer_step, inner_step) in zip(names, self.steps, strict=True):
            fields |= {f"{name}_outer": outer_step, f"{name}_inner": inner_step}
        return fields


def random_loops(rng: random.Random, kernel: NDArray[np.int64], windows: tuple[Window, ...], trips: int) -> RandomLoops:
    """At most `trips` trips, with steps that keep the indices of `kernel` below the ends of `windows`."""
    most = max(1, min(trips, (1 << LOOP_BITS) - 1))
    outer = rng.randint(1, rng.choice((1, 2, 5, most)))
    outer = min(outer, most)
    inner = rng.randint(1, max(1, min(most // outer, rng.choice((1, 2, 3, 6, 20, most)))))
    steps = []
    for place, window in enumerate(windows):
        slack = window.end - 1 - int(kernel[:, place].max())
        pair = [0, 0]
        for which in rng.sample((0, 1), 2):
            count = (outer, inner)[which] - 1
            if rng.random() < 0.3:
                continue
            limit = min(MAX_STEP, slack // count if count else MAX_STEP)
            step = min(limit, rng.choice((1, 1, 2, 3, limit)))
            # The step of a loop with one trip adds nothing, so it may be anything that its field holds.
            pair[which] = step if count else min(step, 3)
            slack -= count * pair[which]
        steps.append((pair[0], pair[1]))
    return RandomLoops(kernel, outer, inner, tuple(steps))


def random_words(
    config: Config, rng: random.Random, windows: Mapping[Buffer, Window], count: int
) -> NDArray[np.uint64]:
    """Micro-ops as they lie in DRAM, with random bits above their fields.

    They come in runs that use few accumulators each, so that one follows another at every small distance.
    """
    source = windows[rng.choice((Buffer.INP, Buffer.INP, Buffer.ACC))]
    acc, wgt = windows[Buffer.ACC], windows[Buffer.WGT]
    columns: list[list[int]] = [[], [], []]
    while len(columns[0]) < count:
        pool = [rng.randrange(acc.begin, acc.end) for _ in range(rng.choice((1, 2, 3, 4, 6)))]
        ordered = rng.random() < 0.5
        for k in range(rng.randint(1, 12)):
            columns[0].append(pool[k % len(pool)] if ordered else rng.choice(pool))
            near = source is windows[Buffer.ACC] and rng.random() < 0.5
            columns[1].append(rng.choice(pool) if near else rng.randrange(source.begin, source.end))
            columns[2].append(rng.randrange(wgt.begin, wgt.end))
    words = np.zeros(count, np.uint64)
    lsb = 0
    for column, width in zip(columns, uop_fields(config).values(), strict=True):
        words |= np.array(column[:count], np.uint64) << np.uint64(lsb)
        lsb += width
    if lsb < config.uop_bits:
        spare = config.uop_bits - lsb
        high = np.array([rng.getrandbits(spare) for _ in range(count)], np.uint64)
        words |= high << np.uint64(lsb)
    return words


def decode_words(config: Config, words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Indices [micro-op, 3] of micro-op words."""
    columns, lsb = [], 0
    for width in uop_fields(config).values():
        columns.append((words >> np.uint64(lsb)) & np.uint64((1 << width) - 1))
        lsb += width
    return np.stack(columns, axis=1).astype(np.int64)
