"""The search for one convolution's schedule, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.explore import Explorer
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Record
from dovetail.compiler.tune.search import Found, search
from dovetail.compiler.tune.space import knobs_from_dict

from .budget import Standing
from .measuring import Measurer
from .tasks import Part


@dataclass
class PartSearch:
    """The state of a search.

    Attributes
    ----------
    found:
        What was measured, in earlier searches too.
    barren:
        Batches since something better was found.
    exhausted:
        There was nothing left to propose.
    """

    part: Part
    space: AcceleratorSpace
    explorer: Explorer
    found: Found = field(default_factory=Found)
    barren: int = 0
    exhausted: bool = False

    @property
    def best(self) -> float | None:
        curve = self.found.curve
        return curve[-1] if curve else None

    @property
    def bound(self) -> float:
        """No schedule takes fewer cycles than the array has steps."""
        return float(self.part.shape.steps)

    @property
    def standing(self) -> Standing:
        done = self.exhausted or self.explorer.done
        return Standing(self.part.weight, self.best, self.bound, self.barren, done)

    def cost_of(self, index: int | None) -> float | None:
        """What a setting cost, if it was measured."""
        return next((outcome.cost for known, outcome in self.found.history if known == index), None)

    def recall(self, records: Sequence[Record]) -> None:
        """Count what was measured before; what was lost with its worker may be tried again."""
        for record in records:
            if record.outcome.status is Status.LOST:
                continue
            try:
                index = self.space.index(knobs_from_dict(self.space.task.operator, record.knobs))
            except (KeyError, ValueError):
                continue  # recorded by a version with another space
            if all(index != known for known, _ in self.found.history):
                self.explorer.tell(index, record.outcome.cost)
                self.found.history.append((index, record.outcome))

    def go_on(self, count: int, measure: Measurer, tell: Callable[[PartSearch, Outcome], object]) -> None:
        """Measure up to `count` more settings.

        Parameters
        ----------
        tell:
            Called after each trial.
        """
        before, best = len(self.found.history), self.best
        search(
            self.space,
            self.explorer,
            lambda indices: measure(self.space, indices),
            before + count,
            batch=count,
            tell=lambda index, outcome, found: tell(self, outcome),
            found=self.found,
        )
        self.exhausted = len(self.found.history) == before
        improved = self.best is not None and (best is None or self.best < best)
        self.barren = 0 if improved else self.barren + 1
