"""What all explorers have in common, and those that learn nothing."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..space import Indices, Space

TRIES = 8
"""Draws of random settings before one looks for those that are left."""


class Explorer(Protocol):
    """Chooses which settings of a space are measured next.

    Attributes
    ----------
    done:
        It expects nothing of further trials.
    """

    @property
    def done(self) -> bool: ...

    def propose(self, count: int) -> list[int]:
        """Up to `count` settings, none of which was proposed or told before; fewer only when no more are left."""

    def tell(self, index: int, cost: float | None) -> None:
        """What a setting costs; None if it failed."""


class Proposals:
    """Which settings of a space were proposed or told."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self.space, self.rng = space, rng
        self._known: set[int] = set()

    @property
    def exhausted(self) -> bool:
        """All were."""
        return len(self._known) >= self.space.size

    def add(self, index: int) -> None:
        self._known.add(index)

    def new(self, indices: Indices) -> Indices:
        """Those that were not, each once, in order."""
        _, places = np.unique(indices, return_index=True)
        found = indices[np.sort(places)]
        return found[[int(index) not in self._known for index in found]] if len(found) else found

    def random(self, count: int) -> list[int]:
        """Settings that were not, and now are."""
        chosen: list[int] = []
        for _ in range(TRIES):
            if len(chosen) == count:
                break
            self._take(self.new(self.space.random(self.rng, 2 * count)), count, chosen)
        if len(chosen) < count:
            left = self.new(np.arange(self.space.size, dtype=np.int64))
            self._take(self.rng.permutation(left), count, chosen)
        return chosen

    def _take(self, indices: Indices, count: int, chosen: list[int]) -> None:
        for index in indices[: count - len(chosen)]:
            self.add(int(index))
            chosen.append(int(index))


class RandomExplorer:
    """All settings are as good."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._proposals = Proposals(space, rng)

    @property
    def done(self) -> bool:
        return self._proposals.exhausted

    def propose(self, count: int) -> list[int]:
        return self._proposals.random(count)

    def tell(self, index: int, cost: float | None) -> None:
        self._proposals.add(index)


class ExhaustiveExplorer:
    """One setting after the other."""

    def __init__(self, space: Space) -> None:
        self._size, self._next = space.size, 0
        self._told: set[int] = set()

    @property
    def done(self) -> bool:
        return self._next >= self._size

    def propose(self, count: int) -> list[int]:
        chosen: list[int] = []
        while len(chosen) < count and not self.done:
            if self._next not in self._told:
                chosen.append(self._next)
            self._next += 1
        return chosen

    def tell(self, index: int, cost: float | None) -> None:
        self._told.add(index)
