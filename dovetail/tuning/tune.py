"""The tuning of a workload's convolutions on a pool of devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dovetail.compiler.tune.explore import ExhaustiveExplorer, Explorer, GeneticExplorer, ModelExplorer, RandomExplorer
from dovetail.compiler.tune.models import CostModel, Experience, TreeRnnModel, XGBoostModel
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.search import BATCH
from dovetail.compiler.tune.space import Space, knobs_as_dict
from dovetail.compiler.tune.task import Task
from dovetail.isa.progress import Progress, silent
from dovetail.runtime import DeviceUnavailable
from dovetail.runtime.pool import Pool

from .accelerator_trial import close_device
from .budget import next_search
from .measuring import Measurer
from .part_search import PartSearch
from .parts import Part
from .prior import kind_of, prior_of, recorded_experience
from .recall import recalled
from .versions import versions

LEARNING = ("xgboost", "treernn")
MODELS = (*LEARNING, "random", "genetic", "exhaustive")
FINALISTS = 16
"""Settings of a part that are measured again, at most."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a search for one convolution's schedule found.

    Attributes
    ----------
    settings:
        That fit the machine.
    trials:
        With those of earlier searches.
    failed:
        Of them, how many had no result or a wrong one.
    default, best:
        Costs of the schedule that the compiler takes untuned, and of the best; None where none was measured.
    array, unit:
        As of `Part`.
    costs, curve:
        Of each trial, None where it failed; the lowest of all up to then.
    """

    name: str
    weight: int
    settings: int
    trials: int
    failed: int
    default: float | None
    best: float | None
    array: float
    unit: str
    knobs: dict[str, object] | None
    costs: list[float | None]
    curve: list[float | None]

    @property
    def gain(self) -> float | None:
        """How many times as fast as the default."""
        return self.default / self.best if self.default and self.best else None


def explorer_of(model: str, space: Space, seed: int, prior: Experience | None = None) -> Explorer:
    """The explorer that a user calls `model`.

    Parameters
    ----------
    prior:
        What was measured of other tasks, for a model that learns.

    Raises
    ------
    ModelError:
        The package of the model is not installed.
    """
    rng = np.random.default_rng(seed)
    if model == "random":
        return RandomExplorer(space, rng)
    if model == "genetic":
        return GeneticExplorer(space, rng)
    if model == "exhaustive":
        return ExhaustiveExplorer(space)
    learned: CostModel = TreeRnnModel(seed=seed) if model == "treernn" else XGBoostModel(seed=seed)
    return ModelExplorer(space, learned, rng, prior=prior)


def check_device(part: Part, progress: Progress = silent) -> None:
    """Measure one setting here, so that what is built once is built, and a device that cannot be had is told at once.

    Raises
    ------
    DeviceUnavailable:
        There is no device, or not the right one.
    """
    default = part.space.default()
    if default is None:
        return
    progress(f"{part.name}: trying the device", 0, 0)
    function, argument = part.trial(default)
    outcome = function(argument)
    close_device()
    if outcome.status is Status.LOST:
        raise DeviceUnavailable(outcome.message)


class Tuner:
    """Searches for the schedules of several convolutions.

    A model begins with what is recorded of other sizes, and what the other searches have found by then.

    Parameters
    ----------
    device:
        What workers are asked for.
    trials:
        In all, those that were recorded before not counted, nor the best's when it is measured again.
    model:
        One of `MODELS`.
    timeout:
        Seconds for a trial.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        records: Records,
        pool: Pool,
        *,
        device: str,
        trials: int,
        model: str = "xgboost",
        seed: int = 0,
        timeout: float,
    ) -> None:
        self.trials, self._model, self._seed = trials, model, seed
        self._pool, self._records, self._device = pool, records, device
        own = versions(parts[0].space.task.target)
        explorer_of(model, parts[0].space, seed)  # so that a package that is missing is told at once
        self._recorded: dict[Task, list[Experience]] = {}
        self.searches = []
        for part in parts:
            search = PartSearch(part, self._explorer)
            for index, outcome in recalled(part.space, records.of(part.space.task), device, own).items():
                search.learn(index, outcome)
            self.searches.append(search)
        self._measure = Measurer(pool=pool, records=records, device=device, timeout=timeout, versions=own, seed=seed)
        self.made = 0

    def run(self, progress: Progress = silent) -> None:
        """Spend the trials where they are expected to bring most; then measure the best again, where costs vary.

        Whatever ends it, what was measured is recorded.
        """

        def tell(search: PartSearch, outcome: Outcome) -> None:
            self.made += 1
            progress(_standing_of(search), self.made, self.trials)

        self._measure_defaults(tell)
        while self.made < self.trials:
            place = next_search([search.standing for search in self.searches])
            if place is None:
                break
            search = self.searches[place]
            progress(_standing_of(search), self.made, self.trials)
            batch = max(BATCH, self._pool.devices(self._device))
            search.go_on(min(batch, self.trials - self.made), self._measure, tell)
        for search in self.searches:
            if search.part.varies:
                self._confirm(search, progress)

    def _confirm(self, search: PartSearch, progress: Progress) -> None:
        """Measure the best again until it is one that was: the fastest of many is the luckiest of them, too."""
        again: set[int] = set()
        while (best := search.found.best) is not None and best not in again and len(again) < FINALISTS:
            progress(f"{search.part.name}: measuring the best again", len(again), 0)
            again.add(best)
            for _, index, outcome in self._measure([(search.part, best)]):
                search.correct(index, outcome)

    @property
    def tuned(self) -> list[Tuned]:
        """What was found so far."""
        return [_tuned(search) for search in self.searches]

    def _explorer(self, search: PartSearch) -> Explorer:
        prior = self._prior(search) if self._model in LEARNING else None
        return explorer_of(self._model, search.part.space, self._seed, prior)

    def _prior(self, search: PartSearch) -> Experience | None:
        space, kind = search.part.space, kind_of(search.part.space.task)
        if kind not in self._recorded:
            own = [other.part.space.task for other in self.searches]
            self._recorded[kind] = recorded_experience(space, self._records, self._device, but=own)
        return prior_of(search, self.searches, self._recorded[kind])

    def _measure_defaults(self, tell: Callable[[PartSearch, Outcome], object]) -> None:
        """So that what is found is never worse than what the compiler does by itself."""
        searches = {}
        asked: list[tuple[Part, int]] = []
        for search in self.searches:
            default = search.part.space.default()
            if default is not None and search.cost_of(default) is None and len(asked) < self.trials:
                searches[search.part.space.task] = search
                asked.append((search.part, default))
        for part, index, outcome in self._measure(asked):
            searches[part.space.task].learn(index, outcome)
            tell(searches[part.space.task], outcome)


def _standing_of(search: PartSearch) -> str:
    part, best = search.part, search.best
    if best is None:
        return part.name
    return f"{part.name}: best {cost_text(best, part.unit)}" + (f", {part.array / best:.1%}" if part.array else "")


def cost_text(cost: float, unit: str) -> str:
    """A cost for people."""
    return f"{cost:,.0f} cycles" if unit == "cycles" else f"{cost:.3f} of untuned"


def _tuned(search: PartSearch) -> Tuned:
    part, found = search.part, search.found
    best = found.best
    return Tuned(
        name=part.name,
        weight=part.weight,
        settings=part.space.size,
        trials=len(found.history),
        failed=sum(outcome.status is not Status.OK for _, outcome in found.history),
        default=search.cost_of(part.space.default()),
        best=search.best,
        array=part.array,
        unit=part.unit,
        knobs=None if best is None else knobs_as_dict(part.space.knobs(best)),
        costs=[outcome.cost for _, outcome in found.history],
        curve=found.curve,
    )
