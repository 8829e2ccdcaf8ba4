"""What a comparison of searches finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import geometric_mean, median
from typing import Any

CLOSE = 1.02
"""Within this of the best known schedule a search has found what it should."""
MARKS = (8, 16, 32, 64)
"""Trials after which results say how far searches are."""


@dataclass(frozen=True)
class Cycles:
    """What a schedule takes.

    Attributes
    ----------
    measured:
        On the device of the trials.
    rtl:
        On the RTL; None if it was not run there, or its output was wrong.
    """

    measured: float
    rtl: float | None = None


@dataclass(frozen=True, kw_only=True)
class LayerCurves:
    """The searches for one layer's schedule.

    Attributes
    ----------
    settings, candidates:
        That fit the machine, and that were measured for any of the searches.
    untuned, searched, known:
        What the schedule takes that is used without records; the worst over seeds of what searches with the first model
        found, which do not begin with the untuned one; the best of all candidates.
    array:
        Cycles in which the array's multipliers would do it, if none were ever idle.
    prediction_ms:
        What scoring a setting takes, features and estimate included.
    curves:
        By model, for each seed the lowest cycles after each trial.
    """

    name: str
    settings: int
    candidates: int
    untuned: Cycles | None
    searched: Cycles | None
    known: Cycles
    array: float
    prediction_ms: float
    curves: Mapping[str, tuple[tuple[float | None, ...], ...]] = field(repr=False)

    @property
    def tuned(self) -> Cycles | None:
        """What a tuner ends with, which measures the untuned schedule too: the better of that and `searched`."""
        both = [one for one in (self.untuned, self.searched) if one is not None]
        return min(both, key=lambda one: one.measured, default=None)

    @property
    def schedules(self) -> tuple[Cycles, ...]:
        """Those there are of the three."""
        return tuple(one for one in (self.untuned, self.searched, self.known) if one is not None)

    def ratio(self, model: str, trials: int) -> float | None:
        """The median over seeds of the lowest cycles after so many trials, over the best known; None before any."""
        costs = [curve[min(trials, len(curve)) - 1] for curve in self.curves[model] if curve]
        known = [cost for cost in costs if cost is not None]
        return median(known) / self.known.measured if len(known) == len(costs) and known else None

    def trials_needed(self, model: str) -> float | None:
        """The median over seeds of the trials until the search was close; None where half of them never were."""
        never, limit = float("inf"), CLOSE * self.known.measured
        needed = [
            next((trial for trial, cost in enumerate(curve, 1) if cost is not None and cost <= limit), never)
            for curve in self.curves[model]
        ]
        found = median(needed)
        return None if found == never else found

    def as_dict(self) -> dict[str, Any]:
        needed = {model: self.trials_needed(model) for model in self.curves}
        tuned = None if self.tuned is None else asdict(self.tuned)
        return asdict(self) | {"tuned": tuned, "trials_needed": needed}


@dataclass(frozen=True, kw_only=True)
class TunerResult:
    """The searches for several layers' schedules."""

    layers: tuple[LayerCurves, ...]
    trials: int
    seeds: int

    @property
    def models(self) -> tuple[str, ...]:
        """Those that any layer was searched with."""
        return tuple(dict.fromkeys(model for layer in self.layers for model in layer.curves))

    def mean_ratio(self, model: str, trials: int) -> float | None:
        """Of all layers that the model was used for, the geometric mean of `LayerCurves.ratio`."""
        ratios = [layer.ratio(model, trials) for layer in self.layers if model in layer.curves]
        known = [ratio for ratio in ratios if ratio is not None]
        return geometric_mean(known) if known and len(known) == len(ratios) else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        marks = [mark for mark in MARKS if mark <= self.trials]
        return {
            "trials": self.trials,
            "seeds": self.seeds,
            "layers": [layer.as_dict() for layer in self.layers],
            "total": {model: {str(mark): self.mean_ratio(model, mark) for mark in marks} for model in self.models},
        }
