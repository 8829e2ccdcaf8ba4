"""A space whose costs are known: a function of knobs, of which a coarse estimate sees a part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tune.grid import Axis, Grid
from dovetail.compiler.tune.task import Task

LENGTHS = (12, 10, 8, 6, 5, 4)


@dataclass
class SyntheticSpace:
    """A grid with holes.

    Attributes
    ----------
    shift:
        Moves the optimum: another one is another task of the same kind.
    """

    shift: float = 0.0
    lengths: tuple[int, ...] = LENGTHS

    def __post_init__(self) -> None:
        axes = [Axis(f"knob {number}", tuple(range(length))) for number, length in enumerate(self.lengths)]
        digits = np.stack(np.indices(self.lengths))
        self.grid = Grid(axes, (digits.sum(axis=0) % 7 != 3))
        self.task = Task(operator="none", workload=f"{self.shift}", target="none", machine="none")
        self.size = self.grid.size
        self.total = int(np.prod(self.lengths))
        self.rejected = {"sum": self.total - self.size}
        self.random, self.neighbours, self.crossover = self.grid.random, self.grid.neighbours, self.grid.crossover

    def _places(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each axis, how far along it, from 0 to 1."""
        steps = [length - 1 or 1 for length in self.lengths]
        return np.stack([digit / last for digit, last in zip(self.grid.digits(indices), steps, strict=True)])

    def costs(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """A valley, a ridge across it, and a knob that only matters beside another."""
        a, b, c, d, *rest = self._places(indices)
        valley = 3 * (a - 0.6 - self.shift) ** 2 + 2 * (b - a) ** 2 + (c - 0.3) ** 2
        other = np.where(d > 0.5, 0.6 * (c > 0.5), 0.25) + sum(0.2 * np.abs(part - 0.5) for part in rest)
        return 1000 * (1 + valley + other)

    def estimate(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        a, *_ = self._places(indices)
        return 1000 * (1 + 3 * (a - 0.5 - self.shift) ** 2)

    def features(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        a, b, *rest = self._places(indices)
        return np.stack([a - self.shift, b - self.shift, a - b, *rest]).T.astype(np.float32)

    @cached_property
    def all_costs(self) -> NDArray[np.float64]:
        return self.costs(np.arange(self.size))

    @property
    def optimum(self) -> float:
        return float(self.all_costs.min())

    def knobs(self, index: int) -> Any:
        return tuple(int(digit[0]) for digit in self.grid.digits(np.array([index])))

    def index(self, knobs: Any) -> int:
        return int(self.grid.numbers([np.array([digit]) for digit in knobs])[0])

    def default(self) -> int | None:
        return None

    def describe(self) -> str:
        return self.grid.describe()
