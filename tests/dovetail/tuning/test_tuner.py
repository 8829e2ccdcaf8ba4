"""How a tuner spends trials on its pool, and what its models know when they begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.models import Experience
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.space import knobs_as_dict
from dovetail.runtime import DeviceLost
from dovetail.tuning import tune
from dovetail.tuning.parts import Part
from dovetail.tuning.tune import Tuner
from dovetail.tuning.versions import versions

from .measured import HerePool, cost_of, layer, part_of


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path / "records") as opened:
        yield opened


def tuner(records: Records, *parts: Part, pool: Any = None, trials: int = 16, model: str = "random") -> Tuner:
    return Tuner(parts, records, pool or HerePool(), device="timing", trials=trials, model=model, timeout=9)


def test_every_device_of_a_large_pool_has_work(records: Records) -> None:
    pool = HerePool(count=20)
    tuner(records, part_of(layer(8)), pool=pool, trials=50).run()
    assert pool.sizes == [1, 20, 20, 9], "the default first"


def test_trials_that_are_lost_are_not_counted(records: Records) -> None:
    space = layer(8)
    searched = tuner(records, part_of(space), pool=HerePool(lambda index: index % 2 == 0), trials=20)
    searched.run()
    (found,) = searched.tuned
    assert (searched.made, found.trials, found.failed) == (20, 20, 0)


def test_what_was_measured_before_the_devices_were_gone_is_told(records: Records) -> None:
    seen: list[int] = []

    def loses(index: int) -> bool:
        seen.append(index)
        return len(seen) > 5

    searched = tuner(records, part_of(layer(8)), pool=HerePool(loses))
    with pytest.raises(DeviceLost):
        searched.run()
    (found,) = searched.tuned
    assert found.trials == 5 and found.best is not None


@pytest.mark.parametrize("status", [Status.FAILED, Status.OK])
def test_the_default_is_measured_unless_its_cost_is_known(records: Records, status: Status) -> None:
    space = layer(8)
    default = space.default()
    assert default is not None
    outcome = Outcome(status=status, cost=7.0 if status is Status.OK else None)
    knobs = knobs_as_dict(space.knobs(default))
    records.add(space.task, knobs, outcome, device="timing", versions=versions("vdla"))
    searched = tuner(records, part_of(space), trials=1)
    searched.run()
    (found,) = searched.tuned
    assert found.default is not None and (found.default == 7.0) == (status is Status.OK)


def test_where_costs_vary_the_best_is_measured_again(records: Records) -> None:
    space, asked = layer(8), Counter[int]()

    def lucky_once(trial: tuple[AcceleratorSpace, int]) -> Outcome:
        asked[trial[1]] += 1
        lucky = asked.total() == 5
        return Outcome(status=Status.OK, cost=1.0) if lucky else cost_of(trial)

    searched = tuner(records, replace(part_of(space), trial=lambda index: (lucky_once, (space, index)), varies=True))
    searched.run()
    (found,) = searched.tuned
    assert found.best == min(cost_of((space, index)).cost or 0 for index in asked)
    assert (searched.made, found.trials, max(asked.values())) == (16, 16, 2) and asked.total() <= 18
    best = records.best(space.task)
    assert best is not None and best.outcome.cost == found.best


@pytest.fixture
def priors(monkeypatch: pytest.MonkeyPatch) -> list[Experience | None]:
    """What models of explorers began with."""
    found: list[Experience | None] = []
    made = tune.ModelExplorer

    def explorer(*arguments: Any, prior: Experience | None = None, **options: Any) -> Any:
        found.append(prior)
        return made(*arguments, prior=prior, **options)

    monkeypatch.setattr(tune, "ModelExplorer", explorer)
    return found


def test_a_model_begins_with_what_was_measured_of_other_sizes(
    records: Records, priors: list[Experience | None]
) -> None:
    small, large, third = (part_of(layer(channels)) for channels in (8, 16, 12))
    for part in (small, large):
        tuner(records, part, trials=12).run()
    other = layer(8, size=5)
    records.add(
        replace(other.task, memory="1:1"),
        knobs_as_dict(other.knobs(0)),
        Outcome(status=Status.OK, cost=1.0),
        device="timing",
        versions=versions("vdla"),
    )
    tuner(records, third, trials=9, model="xgboost").run()
    prior = priors[-1]
    assert prior is not None and len(prior) == 24
    for part in (small, large):
        costs = [record.outcome.cost for record in records.of(part.space.task)]
        assert set(costs) <= set(prior.costs.tolist())


def test_a_model_begins_with_what_searches_beside_it_have_found(
    records: Records, priors: list[Experience | None]
) -> None:
    parts = [replace(part_of(layer(channels)), weight=weight) for channels, weight in ((8, 4), (16, 1))]
    tuner(records, *parts, trials=2 + 6 * 8, model="xgboost").run()
    begun = [prior for prior in priors if prior is not None]
    assert len(begun) == 1 and len(begun[0]) > 8


def test_nothing_is_known_where_nothing_was_measured(records: Records, priors: list[Experience | None]) -> None:
    tuner(records, part_of(layer(8)), trials=9, model="xgboost").run()
    assert priors and set(priors) == {None}
