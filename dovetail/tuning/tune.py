"""The tuning of a workload's convolutions on a pool of devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.explore import ExhaustiveExplorer, Explorer, GeneticExplorer, ModelExplorer, RandomExplorer
from dovetail.compiler.tune.models import CostModel, TreeRnnModel, XGBoostModel
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.search import BATCH
from dovetail.compiler.tune.space import Space, knobs_as_dict
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.pool import Pool

from .accelerator_trial import Machine, Trial, run_trial
from .budget import next_search
from .measuring import Measurer
from .part_search import PartSearch
from .tasks import Part

TRIAL_SECONDS = 120.0
MODELS = ("xgboost", "treernn", "random", "genetic", "exhaustive")
PACKAGES = ("dovetail", "xgboost-cpu", "numpy")
"""Whose versions are recorded with what is measured."""


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
    default_cycles, cycles:
        Of the schedule that the compiler takes untuned, and of the best; None where none was measured.
    costs, curve:
        Cycles of each trial, None where it failed; the lowest of all up to then.
    """

    name: str
    weight: int
    settings: int
    trials: int
    failed: int
    default_cycles: float | None
    cycles: float | None
    bound: float
    knobs: dict[str, object] | None
    costs: list[float | None]
    curve: list[float | None]

    @property
    def gain(self) -> float | None:
        """How many times as fast as the default."""
        return self.default_cycles / self.cycles if self.default_cycles and self.cycles else None


def explorer_of(model: str, space: Space, seed: int) -> Explorer:
    """The explorer that a user calls `model`; it begins with the schedule that the compiler takes untuned.

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
    return ModelExplorer(space, learned, rng)


class Tuner:
    """Searches for the schedules of several convolutions.

    Parameters
    ----------
    trials:
        In all, those that were recorded before not counted.
    model:
        One of `MODELS`.
    timeout:
        Seconds for a trial.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        machine: Machine,
        records: Records,
        pool: Pool,
        *,
        trials: int,
        model: str = "xgboost",
        batch: int = BATCH,
        seed: int = 0,
        timeout: float = TRIAL_SECONDS,
    ) -> None:
        self._trials, self._batch, self._machine = trials, batch, machine
        memory = Memory(machine.latency, machine.bytes_per_cycle)
        self.searches = []
        for part in parts:
            space = AcceleratorSpace(part.shape, machine.config, memory)
            search = PartSearch(part, space, explorer_of(model, space, seed))
            search.recall(records.of(space.task))
            self.searches.append(search)
        self._measure = Measurer(
            pool=pool, records=records, trial=self._trial, device=machine.device, timeout=timeout, versions=versions()
        )
        self.made = 0

    def run(self, progress: Progress = silent) -> None:
        """Spend the trials where they are expected to bring most. Whatever ends it, what was measured is recorded."""

        def tell(search: PartSearch, outcome: Outcome) -> None:
            self.made += 1
            progress(_standing_of(search), self.made, self._trials)

        for search in self.searches:
            self._measure_default(search, tell)
        while self.made < self._trials:
            place = next_search([search.standing for search in self.searches])
            if place is None:
                return
            search = self.searches[place]
            progress(_standing_of(search), self.made, self._trials)
            search.go_on(min(self._batch, self._trials - self.made), self._measure, tell)

    @property
    def tuned(self) -> list[Tuned]:
        """What was found so far."""
        return [_tuned(search) for search in self.searches]

    def _measure_default(self, search: PartSearch, tell: Callable[[PartSearch, Outcome], object]) -> None:
        """So that what is found is never worse than what the compiler does by itself."""
        default = search.space.default()
        if default is None or self.made >= self._trials:
            return
        if any(index == default for index, _ in search.found.history):
            return
        for index, outcome in self._measure(search.space, [default]):
            search.explorer.tell(index, outcome.cost)
            search.found.history.append((index, outcome))
            tell(search, outcome)

    def _trial(self, space: Space, index: int) -> tuple[Callable[[Any], Outcome], object]:
        assert isinstance(space, AcceleratorSpace)
        return run_trial, Trial(self._machine, space.shape, space.knobs(index))


def _standing_of(search: PartSearch) -> str:
    name, best = search.part.name, search.best
    return name if best is None else f"{name}: best {best:,.0f} cycles, {search.bound / best:.1%}"


def _tuned(search: PartSearch) -> Tuned:
    found = search.found
    best = found.best
    return Tuned(
        name=search.part.name,
        weight=search.part.weight,
        settings=search.space.size,
        trials=len(found.history),
        failed=sum(outcome.status is not Status.OK for _, outcome in found.history),
        default_cycles=search.cost_of(search.space.default()),
        cycles=search.best,
        bound=search.bound,
        knobs=None if best is None else knobs_as_dict(search.space.knobs(best)),
        costs=[outcome.cost for _, outcome in found.history],
        curve=found.curve,
    )


def versions() -> dict[str, str]:
    """Of the packages that decide what is measured."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
