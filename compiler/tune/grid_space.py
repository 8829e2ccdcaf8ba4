"""What spaces over a grid have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from .grid import Grid
from .space import Indices
from .task import Task


class GridSpace(ABC):
    """The part of a `Space` that only looks at its grid.

    Attributes
    ----------
    grid:
        Whose points are the settings.
    """

    task: Task
    grid: Grid
    total: int
    rejected: Mapping[str, int]

    @property
    def size(self) -> int:
        return self.grid.size

    def random(self, rng: np.random.Generator, count: int) -> Indices:
        return self.grid.random(rng, count)

    def neighbours(self, rng: np.random.Generator, indices: Indices) -> Indices:
        return self.grid.neighbours(rng, indices)

    def crossover(self, rng: np.random.Generator, first: Indices, second: Indices) -> Indices:
        return self.grid.crossover(rng, first, second)

    def describe(self) -> str:
        lines = [self.task.key, self.grid.describe()]
        lines.append(f"{self.total} settings, of which {self.size} fit the machine; rejected:")
        lines += [f"  {name}: {count}, such as {self._example(name)}" for name, count in self.rejected.items()]
        return "\n".join(lines)

    @abstractmethod
    def _example(self, name: str) -> str:
        """A setting that was rejected for a reason of this class, and the reason in full."""


def index_in(grid: Grid, digits: tuple[int, ...] | None, knobs: Any) -> int:
    """The number of a setting by its values' places on the axes.

    Raises
    ------
    KeyError:
        It has none, or is no point of the grid.
    """
    found = -1 if digits is None else int(grid.numbers([np.array([digit]) for digit in digits])[0])
    if found < 0:
        raise KeyError(f"the space has no setting {knobs}")
    return found
