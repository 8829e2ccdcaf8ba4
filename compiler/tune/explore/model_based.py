"""A search that asks a cost model what to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from ..models.cost_model import CostModel, Experience, NoModel
from ..space import Costs, Features, Indices, Space
from .annealing import Effort, low_scores
from .explorer import Proposals

LEAST = 4
"""Settings of a task that are to be measured before a model is fitted to them."""
POOL = 16
"""Settings with low scores among which a batch is chosen, for each of the batch."""
FAILED = 2.0
"""What a setting that failed counts, in costs of the worst."""


class ModelExplorer:
    """Settings with low scores by a model of what was measured so far, unlike each other, and some at random.

    The model corrects the space's estimate; where other tasks were measured before, it corrects what a model of those
    makes of the estimate, so that little that is known of the task itself is not lost in much that is known of others.

    Parameters
    ----------
    prior:
        What was measured of other tasks.
    first:
        Settings that are proposed before all others.
    epsilon:
        The share of random picks.
    begin:
        The share of random picks while nothing of the task is known.
    diversity:
        How much a score counts against likeness to what is in the batch already, in standard deviations of scores.
    patience:
        Trials of its own without a cost lower by `gain`, after which the search is done.
    """

    def __init__(
        self,
        space: Space,
        model: CostModel,
        rng: np.random.Generator,
        *,
        prior: Experience | None = None,
        first: Sequence[int] = (),
        epsilon: float = 0.1,
        begin: float = 0.5,
        diversity: float = 0.5,
        patience: int = 96,
        gain: float = 0.001,
        effort: Effort = Effort(),  # noqa: B008
    ) -> None:
        self.space, self.model, self.rng, self.effort = space, model, rng, effort
        self._proposals = Proposals(space, rng)
        self._first = list(first)
        self._epsilon, self._begin, self._diversity = epsilon, begin, diversity
        self._patience, self._gain = patience, gain
        self._costs: dict[int, float | None] = {}
        self._best, self._barren = np.inf, 0
        self._asked: set[int] = set()
        self._fitted = -1
        self._learned: CostModel | None = None
        if prior is not None and len(prior):
            self._learned = copy(model)
            self._learned.fit(prior)

    @property
    def done(self) -> bool:
        return self._barren >= self._patience or self._proposals.exhausted

    def propose(self, count: int) -> list[int]:
        chosen = self._begun(count)
        count -= len(chosen)
        share = self._epsilon if self._costs or self._learned is not None else self._begin
        drawn = int(self.rng.binomial(count, share)) if self._costs else round(count * share)
        picked = self._pick(count - drawn) if count > drawn else []
        chosen += picked + self._proposals.random(count - len(picked))
        self._asked.update(chosen)
        return chosen

    def tell(self, index: int, cost: float | None) -> None:
        self._proposals.add(index)
        self._costs[index] = cost
        if cost is not None and cost < self._best * (1 - self._gain):
            self._best, self._barren = cost, 0
        elif index in self._asked:
            self._barren += 1

    def _begun(self, count: int) -> list[int]:
        """What is to be proposed first and was not yet."""
        chosen: list[int] = []
        while self._first and len(chosen) < count:
            for index in self._proposals.new(np.array([self._first.pop(0)], np.int64)):
                self._proposals.add(int(index))
                chosen.append(int(index))
        return chosen

    def _pick(self, count: int) -> list[int]:
        model = self._model()

        def score(indices: Indices) -> Costs:
            features = self.space.features(indices)
            return model.predict(features, self._base(indices, features))

        known = [index for index, cost in self._costs.items() if cost is not None]
        known.sort(key=lambda index: self._costs[index] or 0.0)
        indices, scores = low_scores(self.space, score, self.rng, np.array(known, np.int64), self.effort)
        new = np.isin(indices, self._proposals.new(indices))
        indices, scores = indices[new][: POOL * count], scores[new][: POOL * count]
        places = _unlike(self.space.features(indices), scores, count, self._diversity)
        chosen = [int(indices[place]) for place in places]
        for index in chosen:
            self._proposals.add(index)
        return chosen

    def _base(self, indices: Indices, features: Features) -> Costs:
        """What is known of settings beside measurements of their task, as costs of any unit."""
        estimate = self.space.estimate(indices)
        return estimate if self._learned is None else np.exp(self._learned.predict(features, estimate))

    def _model(self) -> CostModel:
        """The model, fitted to all that is known."""
        costs = [cost for cost in self._costs.values() if cost is not None]
        if len(costs) < LEAST:
            return NoModel()
        if self._fitted < len(self._costs):
            known = np.array([FAILED * max(costs) if cost is None else cost for cost in self._costs.values()])
            indices = np.fromiter(self._costs, np.int64, len(self._costs))
            features = self.space.features(indices)
            self.model.fit(Experience.of(features, known, self._base(indices, features)))
            self._fitted = len(self._costs)
        return self.model


def _unlike(features: Features, scores: Costs, count: int, diversity: float) -> list[int]:
    """Places of low scores whose features are not all the same."""
    if not len(scores):
        return []
    spread = float(scores.std()) or 1.0
    left = scores / spread
    alike = np.zeros(len(scores))
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        place = int(np.argmin(left + diversity * alike))
        chosen.append(place)
        left[place] = np.inf
        alike = np.maximum(alike, (features == features[place]).mean(axis=1))
    return chosen
