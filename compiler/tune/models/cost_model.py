"""What all cost models have in common, and the one that learns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..space import Costs, Features


class ModelError(RuntimeError):
    """A cost model cannot be had here."""


@dataclass(frozen=True)
class Experience:
    """Settings whose costs are known, of one task or of several.

    Attributes
    ----------
    features: [n, F]
    costs: [n]
        Measured; all greater than 0.
    base: [n]
        What an analytical model said.
    groups: [n]
        A number for each task: only costs of one task are comparable.
    """

    features: Features
    costs: Costs
    base: Costs
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.costs)

    @property
    def levelled(self) -> Costs:
        """The costs' logarithms, in each task shifted to where those of its `base` are: that may have another unit, or
        be wrong by the same factor for all settings."""
        logs = np.log(self.costs)
        for group in np.unique(self.groups):
            own = self.groups == group
            logs[own] -= np.median(logs[own] - np.log(self.base[own]))
        return logs

    @classmethod
    def of(cls, features: Features, costs: Costs, base: Costs) -> Experience:
        """That of one task."""
        return cls(features, costs, base, np.zeros(len(costs), np.int64))

    @classmethod
    def together(cls, parts: Sequence[Experience]) -> Experience:
        """That of several, each of tasks of its own."""
        groups, next_group = [], 0
        for part in parts:
            _, numbers = np.unique(part.groups, return_inverse=True)
            groups.append(numbers.astype(np.int64) + next_group)
            next_group += int(numbers.max(initial=-1)) + 1
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.costs for part in parts]),
            np.concatenate([part.base for part in parts]),
            np.concatenate(groups),
        )


class CostModel(Protocol):
    """Learns to tell fast settings from slow ones."""

    def fit(self, experience: Experience) -> None:
        """Learn; what was learned before is forgotten."""

    def predict(self, features: Features, base: Costs) -> Costs:
        """The logarithm of each setting's cost, up to what all settings of a task have in common."""


class NoModel:
    """The analytical model alone."""

    def fit(self, experience: Experience) -> None:
        """Nothing is learned."""

    def predict(self, features: Features, base: Costs) -> Costs:
        return np.log(base)
