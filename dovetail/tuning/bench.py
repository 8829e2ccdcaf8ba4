"""How few trials the tuner needs: each model's best so far over the trials, for several seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.explore import GeneticExplorer, ModelExplorer
from dovetail.compiler.tune.explore.explorer import Explorer
from dovetail.compiler.tune.models import Experience, XGBoostModel
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.search import Found, search
from dovetail.compiler.tune.space import Space, knobs_from_dict
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.pool import Pool

from .accelerator_trial import Machine, Trial, run_trial
from .measuring import Measurer
from .tasks import Part
from .tune import explorer_of, versions

MODELS = ("xgboost", "genetic", "random")
TAUGHT = "xgboost, taught"
"""XGBoost that has learned from other layers before."""
KNOWN_BATCH = 64
CLOSE = 1.02
"""Within this of the best known schedule a search has found what it should."""


@dataclass(frozen=True, kw_only=True)
class LayerCurves:
    """The searches for one layer's schedule.

    Attributes
    ----------
    settings, candidates:
        That fit the machine, and that were measured for any of the searches.
    known, rtl, default:
        Cycles of the best known schedule, of the same on the RTL, and of the untuned one.
    curves:
        By model, for each seed the lowest cycles after each trial.
    """

    name: str
    settings: int
    candidates: int
    known: float
    rtl: float | None
    default: float
    bound: float
    curves: Mapping[str, tuple[tuple[float | None, ...], ...]] = field(repr=False)

    def ratio(self, model: str, trials: int) -> float | None:
        """The median over seeds of the lowest cycles after so many trials, over the best known; None before any."""
        costs = [curve[min(trials, len(curve)) - 1] for curve in self.curves[model] if curve]
        known = [cost for cost in costs if cost is not None]
        return median(known) / self.known if len(known) == len(costs) and known else None

    def trials_needed(self, model: str) -> float | None:
        """The median over seeds of the trials until the search was close; None where half of them never were."""
        never, limit = float("inf"), CLOSE * self.known
        needed = [
            next((trial for trial, cost in enumerate(curve, 1) if cost is not None and cost <= limit), never)
            for curve in self.curves[model]
        ]
        found = median(needed)
        return None if found == never else found

    def as_dict(self) -> dict[str, Any]:
        needed = {model: self.trials_needed(model) for model in self.curves}
        return asdict(self) | {"trials_needed": needed}


class Bench:
    """Searches whose trials are measured once, whichever of them asks.

    Parameters
    ----------
    records:
        Where measurements are kept, and taken from.
    """

    def __init__(self, machine: Machine, records: Records, pool: Pool, *, timeout: float) -> None:
        self._machine, self._records, self._timeout = machine, records, timeout
        self._measurer = Measurer(
            pool=pool,
            records=records,
            trial=self._trial,
            device=machine.device,
            timeout=timeout,
            versions=versions(),
        )
        self._known: dict[str, dict[int, Outcome]] = {}

    def _trial(self, space: Space, index: int) -> tuple[Callable[[Any], Outcome], object]:
        assert isinstance(space, AcceleratorSpace)
        return run_trial, Trial(self._machine, space.shape, space.knobs(index))

    def space(self, part: Part) -> AcceleratorSpace:
        """The settings of a layer; what is recorded of them is measured already."""
        memory = Memory(self._machine.latency, self._machine.bytes_per_cycle)
        space = AcceleratorSpace(part.shape, self._machine.config, memory)
        if space.task.key not in self._known:
            recorded = ((_index(space, record.knobs), record.outcome) for record in self._records.of(space.task))
            self._known[space.task.key] = {index: outcome for index, outcome in recorded if index is not None}
        return space

    def measure(self, space: AcceleratorSpace, indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        """Outcomes, known ones first."""
        known = self._known[space.task.key]
        new = [index for index in indices if index not in known]
        yield from ((index, known[index]) for index in indices if index in known)
        for index, outcome in self._measurer(space, new):
            known[index] = outcome
            yield index, outcome

    def candidates(self, space: AcceleratorSpace) -> dict[int, Outcome]:
        """All that was measured of a layer."""
        return self._known[space.task.key]

    def find(self, space: AcceleratorSpace, explorer: Explorer, trials: int, batch: int) -> Found:
        return search(space, explorer, lambda indices: self.measure(space, indices), trials, batch=batch)

    def experience(self, space: AcceleratorSpace, found: Found) -> Experience:
        """What a search has taught."""
        told = {index: outcome.cost for index, outcome in found.history if outcome.cost is not None}
        indices = np.fromiter(told, np.int64, len(told))
        costs = np.array(list(told.values()), np.float64)
        return Experience.of(space.features(indices), costs, space.estimate(indices))


def _index(space: AcceleratorSpace, knobs: Mapping[str, Any]) -> int | None:
    try:
        return space.index(knobs_from_dict(space.task.operator, knobs))
    except (KeyError, ValueError):
        return None


def measure_many(
    bench: Bench, space: AcceleratorSpace, candidates: int, *, seed: int, name: str, progress: Progress = silent
) -> None:
    """Measure until `candidates` settings are: first what a model proposes, then by evolution, then at random."""
    rng = np.random.default_rng(seed)
    default = space.default()
    first = () if default is None else (default,)
    learned = ModelExplorer(space, XGBoostModel(seed=seed), rng, first=first, patience=candidates)
    for explorer, share in ((learned, 0.5), (GeneticExplorer(space, rng, population=64), 0.75)):
        while not explorer.done and len(bench.candidates(space)) < min(round(share * candidates), space.size):
            bench.find(space, explorer, KNOWN_BATCH, KNOWN_BATCH)
            progress(f"{name}: best known", len(bench.candidates(space)), candidates)
    left = min(candidates, space.size) - len(bench.candidates(space))
    new = [int(index) for index in space.random(rng, candidates) if int(index) not in bench.candidates(space)]
    for begin in range(0, max(0, left), KNOWN_BATCH):
        list(bench.measure(space, new[begin : min(begin + KNOWN_BATCH, left)]))
        progress(f"{name}: best known", len(bench.candidates(space)), candidates)


def curves(
    bench: Bench, space: AcceleratorSpace, models: Sequence[str], trials: int, seeds: Sequence[int], batch: int
) -> dict[str, list[Found]]:
    """For each model and seed a search of its own, which does not know the schedule that is taken untuned."""
    return {
        model: [bench.find(space, explorer_of(model, space, seed), trials, batch) for seed in seeds] for model in models
    }


def taught_curves(
    bench: Bench, space: AcceleratorSpace, taught: Mapping[int, Experience], trials: int, batch: int
) -> list[Found]:
    """By seed, a search whose model has learned from other layers."""
    found = []
    for seed, prior in taught.items():
        explorer = ModelExplorer(space, XGBoostModel(seed=seed), np.random.default_rng(seed), prior=prior)
        found.append(bench.find(space, explorer, trials, batch))
    return found
