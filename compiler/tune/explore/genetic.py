"""A genetic search on measured costs alone."""

from __future__ import annotations

import numpy as np

from ..space import Indices, Space
from .explorer import Proposals

ATTEMPTS = 8
"""Broods in which a child is sought that is new."""


class GeneticExplorer:
    """Tournaments among all that was measured; children of two winners, some of them changed in a knob.

    Parameters
    ----------
    population:
        Random settings at the begin; later, the fittest that may have children.
    tournament:
        Settings of which the fittest wins.
    mutation:
        The share of children that are changed, each at least once.
    """

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        population: int = 16,
        tournament: int = 3,
        mutation: float = 0.4,
    ) -> None:
        self._proposals = Proposals(space, rng)
        self.space, self.rng = space, rng
        self._population, self._tournament, self._mutation = population, tournament, mutation
        self._begun = 0
        self._costs: dict[int, float] = {}

    @property
    def done(self) -> bool:
        return self._proposals.exhausted

    def propose(self, count: int) -> list[int]:
        begin = min(count, max(0, self._population - self._begun)) if len(self._costs) > 1 else count
        chosen = self._proposals.random(begin)
        self._begun += begin
        for _ in range(ATTEMPTS):
            if len(chosen) == count:
                return chosen
            for child in self._proposals.new(self._children(count - len(chosen))):
                self._proposals.add(int(child))
                chosen.append(int(child))
        return chosen + self._proposals.random(count - len(chosen))

    def tell(self, index: int, cost: float | None) -> None:
        self._proposals.add(index)
        if cost is not None:
            self._costs[index] = cost

    def _children(self, count: int) -> Indices:
        fittest = sorted(self._costs, key=self._costs.__getitem__)[: self._population]
        parents = np.array(fittest, np.int64)
        drawn = self.rng.integers(0, len(parents), (2, count, self._tournament))
        first, second = parents[drawn.min(axis=2)]
        children = self.space.crossover(self.rng, first, second)
        changed = (self.rng.random(count) < self._mutation) | (children == first) | (children == second)
        children[changed] = self.space.neighbours(self.rng, children[changed])
        return children
