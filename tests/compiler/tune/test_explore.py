"""Explorers propose each setting once, and the more they know the sooner they find fast ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from dovetail.compiler.tune.explore import Effort, ExhaustiveExplorer, GeneticExplorer, ModelExplorer, RandomExplorer
from dovetail.compiler.tune.explore.explorer import Explorer
from dovetail.compiler.tune.models import Experience, NoModel, XGBoostModel
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.search import Found, search

from .synthetic import SyntheticSpace

SPACE = SyntheticSpace()
SMALL = SyntheticSpace(lengths=(4, 3, 3, 2, 2, 2))
SEEDS = range(9)
QUICK = Effort(all=0, chains=128, steps=10, generations=4)

Make = Callable[[SyntheticSpace, int], Explorer]

EXPLORERS: dict[str, Make] = {
    "random": lambda space, seed: RandomExplorer(space, np.random.default_rng(seed)),
    "exhaustive": lambda space, seed: ExhaustiveExplorer(space),
    "genetic": lambda space, seed: GeneticExplorer(space, np.random.default_rng(seed)),
    "estimate": lambda space, seed: ModelExplorer(space, NoModel(), np.random.default_rng(seed), effort=QUICK),
    "xgboost": lambda space, seed: ModelExplorer(
        space, XGBoostModel(seed=seed, trees=60), np.random.default_rng(seed), effort=QUICK
    ),
}


def measure(space: SyntheticSpace) -> Callable[[Sequence[int]], Iterator[tuple[int, Outcome]]]:
    """Outcomes in another order than asked for."""

    def measured(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        for index in sorted(indices):
            yield index, Outcome(status=Status.OK, cost=float(space.costs(np.array([index]))[0]))

    return measured


def found(space: SyntheticSpace, make: Make, seed: int, trials: int = 64) -> Found:
    return search(space, make(space, seed), measure(space), trials)


def ratio(space: SyntheticSpace, make: Make, trials: int = 64) -> float:
    """The best cost to the optimum's, the median of seeds."""
    costs = [found(space, make, seed, trials).curve[-1] for seed in SEEDS]
    return float(np.median([cost for cost in costs if cost is not None])) / space.optimum


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_setting_is_proposed_once_and_none_that_was_told(name: str) -> None:
    explorer = EXPLORERS[name](SMALL, 1)
    told = [3, 8, 21]
    for index in told:
        explorer.tell(index, 2000.0)
    proposed: list[int] = []
    while batch := explorer.propose(16):
        proposed += batch
        for index in batch:
            explorer.tell(index, float(SMALL.all_costs[index]) if index % 5 else None)
    assert sorted(proposed + told) == list(range(SMALL.size))
    assert explorer.done


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_search_is_the_same_again_under_a_seed(name: str) -> None:
    first, again = (found(SPACE, EXPLORERS[name], 3, 40) for _ in range(2))
    assert first.history == again.history
    assert len(first.history) == 40
    if name != "exhaustive":
        assert first.history != found(SPACE, EXPLORERS[name], 4, 40).history


def test_a_model_finds_what_random_and_genetic_search_do_not() -> None:
    random, genetic, model = (ratio(SPACE, EXPLORERS[name]) for name in ("random", "genetic", "xgboost"))
    assert model <= 1.02
    assert model < genetic < random


def test_what_was_learned_of_other_tasks_saves_trials() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for shift in (-0.2, -0.1, 0.2):
        other = SyntheticSpace(shift)
        indices = other.random(rng, 64)
        parts.append(Experience.of(other.features(indices), other.costs(indices), other.estimate(indices)))
    prior = Experience.together(parts)
    assert len(np.unique(prior.groups)) == 3
    space = SyntheticSpace(0.1)

    def make(space: SyntheticSpace, seed: int) -> Explorer:
        return ModelExplorer(
            space, XGBoostModel(seed=seed, trees=60), np.random.default_rng(seed), prior=prior, effort=QUICK
        )

    assert ratio(space, make, 16) < ratio(space, EXPLORERS["xgboost"], 16)


def test_what_is_to_be_first_is_first() -> None:
    explorer = ModelExplorer(SPACE, NoModel(), np.random.default_rng(0), first=[7, 5, 7], effort=QUICK)
    batch = explorer.propose(4)
    assert batch[:2] == [5, 7] or batch[:2] == [7, 5]
    assert len(set(batch)) == 4


def test_a_batch_has_settings_unlike_each_other() -> None:
    """With no diversity asked for, the batch is the settings with the lowest scores; with much, others."""

    def likeness(diversity: float) -> float:
        effort = Effort(all=SMALL.size)
        explorer = ModelExplorer(
            SMALL, NoModel(), np.random.default_rng(0), begin=0.0, diversity=diversity, effort=effort
        )
        features = SMALL.features(np.array(explorer.propose(6)))
        return float(np.mean([(features == row).mean() for row in features]))

    assert likeness(5.0) < likeness(0.0)


def test_what_was_told_and_not_proposed_ends_no_search() -> None:
    explorer = ModelExplorer(SPACE, NoModel(), np.random.default_rng(0), patience=5, effort=QUICK)
    for index in range(100):
        explorer.tell(index, 1.0 + index)
    assert not explorer.done


def test_a_search_ends_when_it_gains_nothing() -> None:
    explorer = ModelExplorer(SPACE, NoModel(), np.random.default_rng(0), patience=20, effort=QUICK)
    history = search(SPACE, explorer, measure(SPACE), 500, batch=10).history
    assert explorer.done
    assert 20 <= len(history) < 500


def test_a_search_in_which_all_fails_goes_on() -> None:
    def fail(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        yield from ((index, Outcome(status=Status.CRASHED, message="no")) for index in indices)

    for make in EXPLORERS.values():
        done = search(SPACE, make(SPACE, 0), fail, 32)
        assert len(done.history) == 32
        assert done.best is None
        assert done.curve == [None] * 32


def test_what_was_measured_is_kept_when_a_search_is_broken_off() -> None:
    explorer = RandomExplorer(SPACE, np.random.default_rng(0))
    told: list[int] = []

    def broken(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        for place, index in enumerate(indices):
            if len(told) == 11:
                raise KeyboardInterrupt
            yield index, Outcome(status=Status.OK, cost=100.0 + place)

    result = Found()
    with pytest.raises(KeyboardInterrupt):
        search(SPACE, explorer, broken, 64, tell=lambda index, _: told.append(index), found=result)
    assert sorted(index for index, _ in result.history) == sorted(told)
    assert result.best is not None
    assert result.curve[-1] == 100.0
