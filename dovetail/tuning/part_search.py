"""The search for one convolution's schedule, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dovetail.compiler.tune.explore import Explorer
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.search import Found, search

from .budget import Standing
from .measuring import Measurer
from .parts import Part


@dataclass
class PartSearch:
    """The state of a search.

    Attributes
    ----------
    begin:
        Makes the explorer, when it is first needed.
    found:
        What was measured, in earlier searches too.
    barren:
        Batches since something better was found.
    exhausted:
        There was nothing left to propose.
    """

    part: Part
    begin: Callable[[PartSearch], Explorer]
    found: Found = field(default_factory=Found)
    barren: int = 0
    exhausted: bool = False
    _explorer: Explorer | None = None

    @property
    def explorer(self) -> Explorer:
        """Knows all that was found."""
        if self._explorer is None:
            self._explorer = self.begin(self)
            for index, outcome in self.found.history:
                self._explorer.tell(index, outcome.cost)
        return self._explorer

    @property
    def best(self) -> float | None:
        curve = self.found.curve
        return curve[-1] if curve else None

    @property
    def standing(self) -> Standing:
        done = self.exhausted or (self._explorer is not None and self._explorer.done)
        best = None if self.best is None else self.best * self.part.cycles
        return Standing(self.part.weight, best, self.part.bound * self.part.cycles, self.barren, done)

    def cost_of(self, index: int | None) -> float | None:
        """What a setting cost, if it was measured."""
        costs = (outcome.cost for known, outcome in self.found.history if known == index)
        return next((cost for cost in costs if cost is not None), None)

    def learn(self, index: int, outcome: Outcome) -> None:
        """Take an outcome into account that was not proposed by the search."""
        if self._explorer is not None:
            self._explorer.tell(index, outcome.cost)
        self.found.history.append((index, outcome))

    def correct(self, index: int, outcome: Outcome) -> None:
        """Take what a setting cost when it was measured again for what it costs."""
        self.found.history[:] = [(known, outcome if known == index else before) for known, before in self.found.history]

    def go_on(self, count: int, measure: Measurer, tell: Callable[[PartSearch, Outcome], object]) -> None:
        """Measure up to `count` more settings.

        Parameters
        ----------
        tell:
            Called after each trial.
        """
        before, best = len(self.found.history), self.best

        def measured(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
            return ((index, outcome) for _, index, outcome in measure([(self.part, index) for index in indices]))

        search(
            self.part.space,
            self.explorer,
            measured,
            before + count,
            batch=count,
            tell=lambda index, outcome: tell(self, outcome),
            found=self.found,
        )
        self.exhausted = len(self.found.history) == before
        improved = self.best is not None and (best is None or self.best < best)
        self.barren = 0 if improved else self.barren + 1
