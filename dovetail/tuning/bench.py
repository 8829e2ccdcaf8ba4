"""Searches of one layer with each model, whose trials are measured once, whichever of them asks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import numpy as np

from dovetail.compiler.tune.explore import GeneticExplorer, ModelExplorer
from dovetail.compiler.tune.explore.explorer import Explorer
from dovetail.compiler.tune.models import Experience, NoModel, XGBoostModel
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.search import Found, search
from dovetail.compiler.tune.space import Space
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.pool import Pool

from .measuring import Measurer
from .parts import Part
from .recall import recalled
from .tune import explorer_of
from .versions import versions

ESTIMATE = "estimate"
"""The explorer of XGBoost with no model: it takes the analytical estimate at its word, and learns nothing."""
MODELS = ("xgboost", ESTIMATE, "genetic", "random")
TAUGHT = "xgboost, taught"
"""XGBoost that has learned from other layers before."""
KNOWN_BATCH = 64
SCORED = 1000
ROUNDS = 5


class Bench:
    """Searches whose trials are measured once, whichever of them asks.

    Parameters
    ----------
    records:
        Where measurements are kept, and taken from.
    """

    def __init__(self, records: Records, pool: Pool, *, device: str, timeout: float) -> None:
        self._records = records
        self._measurer = Measurer(pool=pool, records=records, device=device, timeout=timeout, versions=versions("vdla"))
        self._known: dict[str, dict[int, Outcome]] = {}

    def known(self, part: Part) -> dict[int, Outcome]:
        """All that was measured of a part, by the numbers of the settings."""
        space = part.space
        if space.task.key not in self._known:
            records = self._records.of(space.task)
            self._known[space.task.key] = recalled(space, records, self._measurer.device, versions("vdla"))
        return self._known[space.task.key]

    def measure(self, part: Part, indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        """Outcomes, known ones first."""
        known = self.known(part)
        new = [index for index in indices if index not in known]
        yield from ((index, known[index]) for index in indices if index in known)
        for _, index, outcome in self._measurer([(part, index) for index in new]):
            known[index] = outcome
            yield index, outcome

    def find(self, part: Part, explorer: Explorer, trials: int, batch: int) -> Found:
        return search(part.space, explorer, lambda indices: self.measure(part, indices), trials, batch=batch)


def measure_many(bench: Bench, part: Part, candidates: int, *, seed: int, progress: Progress = silent) -> None:
    """Measure until `candidates` settings are: first what a model proposes, then by evolution, then at random."""
    space, rng, known = part.space, np.random.default_rng(seed), bench.known(part)
    default = space.default()
    first = () if default is None else (default,)
    learned = ModelExplorer(space, XGBoostModel(seed=seed), rng, first=first, patience=candidates)
    begun, most = len(known), min(candidates, space.size)
    for explorer, share in ((learned, 0.5), (GeneticExplorer(space, rng, population=KNOWN_BATCH), 0.75)):
        while not explorer.done and len(known) < begun + share * (most - begun):
            bench.find(part, explorer, KNOWN_BATCH, KNOWN_BATCH)
            progress(f"{part.name}: best known", len(known), candidates)
    new = [int(index) for index in space.random(rng, most) if int(index) not in known][: max(0, most - len(known))]
    for begin in range(0, len(new), KNOWN_BATCH):
        list(bench.measure(part, new[begin : begin + KNOWN_BATCH]))
        progress(f"{part.name}: best known", len(known), candidates)


def find_with(
    bench: Bench, part: Part, model: str, trials: int, seeds: Sequence[int], batch: int, progress: Progress = silent
) -> list[Found]:
    """For each seed a search with a model, which does not know the schedule that is taken untuned."""
    found = []
    for number, seed in enumerate(seeds):
        progress(f"{part.name}: {model}", number, len(seeds))
        found.append(bench.find(part, _explorer(model, part.space, seed), trials, batch))
    return found


def _explorer(model: str, space: Space, seed: int) -> Explorer:
    if model == ESTIMATE:
        return ModelExplorer(space, NoModel(), np.random.default_rng(seed))
    return explorer_of(model, space, seed)


def find_taught(
    bench: Bench,
    part: Part,
    taught: Mapping[int, Experience],
    trials: int,
    batch: int,
    progress: Progress = silent,
) -> list[Found]:
    """By seed, a search whose model has learned from other layers."""
    found: list[Found] = []
    for seed, prior in taught.items():
        progress(f"{part.name}: {TAUGHT}", len(found), len(taught))
        explorer = ModelExplorer(part.space, XGBoostModel(seed=seed), np.random.default_rng(seed), prior=prior)
        found.append(bench.find(part, explorer, trials, batch))
    return found


def prediction_ms(part: Part, experience: Experience) -> float:
    """Milliseconds in which a model, fitted to `experience`, scores a setting; the median of a few batches."""
    model, space = XGBoostModel(), part.space
    model.fit(experience)
    times = []
    for seed in range(ROUNDS):
        indices = space.random(np.random.default_rng(seed), SCORED)
        begin = time.perf_counter()
        model.predict(space.features(indices), space.estimate(indices))
        times.append((time.perf_counter() - begin) / len(indices))
    return 1e3 * median(times)
