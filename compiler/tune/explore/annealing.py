"""Settings with low scores: simulated annealing in parallel, then evolution among what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..space import Costs, Indices, Space

Score = Callable[[Indices], Costs]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is done.

    Attributes
    ----------
    all:
        Spaces of up to so many settings are scored as a whole.
    chains, steps:
        Of annealing: walks at once, and settings that each looks at.
    hot, cold:
        Temperatures at the begin and the end, in standard deviations of the first scores.
    generations:
        Of evolution, as many children each as there are chains.
    """

    all: int = 8192
    chains: int = 256
    steps: int = 20
    hot: float = 0.5
    cold: float = 0.005
    generations: int = 6


class Found:
    """Settings that were scored."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._scores: dict[int, float] = {}

    def of(self, indices: Indices) -> Costs:
        """The scores of settings, which now are found."""
        new = np.array([index for index in dict.fromkeys(indices.tolist()) if index not in self._scores], np.int64)
        if len(new):
            self._scores.update(zip(new.tolist(), self._score(new).tolist(), strict=True))
        return np.array([self._scores[index] for index in indices.tolist()])

    def best(self) -> tuple[Indices, Costs]:
        """All, those with the lowest scores first."""
        indices = np.fromiter(self._scores, np.int64, len(self._scores))
        scores = np.fromiter(self._scores.values(), np.float64, len(self._scores))
        order = np.argsort(scores, kind="stable")
        return indices[order], scores[order]


def low_scores(
    space: Space, score: Score, rng: np.random.Generator, start: Indices, effort: Effort
) -> tuple[Indices, Costs]:
    """Settings and their scores, the lowest first.

    Parameters
    ----------
    start:
        Settings from which some walks begin; the others begin anywhere.
    """
    found = Found(score)
    if space.size <= effort.all:
        found.of(np.arange(space.size, dtype=np.int64))
        return found.best()
    start = start[: effort.chains // 2]
    at = np.concatenate([start, space.random(rng, effort.chains - len(start))])
    scores = found.of(at)
    spread = float(scores.std()) or 1.0
    for temperature in spread * np.geomspace(effort.hot, effort.cold, effort.steps):
        moved = space.neighbours(rng, at)
        new = found.of(moved)
        taken = rng.random(len(at)) < np.exp(np.minimum(0.0, (scores - new) / temperature))
        at, scores = np.where(taken, moved, at), np.where(taken, new, scores)
    for _ in range(effort.generations):
        fittest, _ = found.best()
        first, second = rng.choice(fittest[: effort.chains], (2, effort.chains))
        children = space.crossover(rng, first, second)
        changed = (rng.random(len(children)) < 0.5) | (children == first) | (children == second)
        children[changed] = space.neighbours(rng, children[changed])
        found.of(children)
    return found.best()
