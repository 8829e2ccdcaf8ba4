"""Trials that are lost are made again, and records say what measured them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dovetail import runtime
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.record import Record
from dovetail.compiler.tune.records import Records
from dovetail.runtime import DeviceLost
from dovetail.runtime.pool import Reply
from dovetail.tuning import measuring
from dovetail.tuning.accelerator_trial import Machine, Trial, close_device, run_trial
from dovetail.tuning.measuring import Measurer
from dovetail.tuning.parts import Part
from dovetail.tuning.recall import recalled
from dovetail.tuning.versions import versions

from .measured import HerePool, Loses, layer, part_of

PART = part_of(layer(8))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path / "records") as opened:
        yield opened


def measurer(records: Records, pool: Any, *, seed: int | None = 3) -> Measurer:
    return Measurer(pool=pool, records=records, device="timing", timeout=9, versions={"dovetail": "mine"}, seed=seed)


def measured(measure: Measurer, *indices: int, part: Part = PART) -> list[int]:
    return [index for _, index, _ in measure([(part, index) for index in indices])]


def kept(records: Records) -> list[Record]:
    return records.of(PART.space.task)


def once(lost: int) -> Loses:
    """Of this setting the first trial is lost."""
    seen: list[int] = []

    def loses(index: int) -> bool:
        seen.append(index)
        return index == lost and seen.count(index) == 1

    return loses


def test_a_lost_trial_is_made_again(records: Records) -> None:
    assert measured(measurer(records, HerePool(once(4))), 3, 4, 5) == [3, 5, 4]
    assert [record.outcome.status for record in kept(records)] == [Status.OK, Status.LOST, Status.OK, Status.OK]
    assert kept(records)[1].outcome.message == "it killed 3 workers (on worker 7)"


def test_one_setting_that_is_always_lost_ends_nothing(records: Records) -> None:
    measure = measurer(records, HerePool(lambda index: index == 4))
    for other in range(5, 9):
        assert measured(measure, 4) == []
        assert measured(measure, other) == [other]


def test_devices_that_lose_trial_after_trial_are_given_up(records: Records) -> None:
    measure = measurer(records, HerePool(lambda index: index > 5))
    assert measured(measure, 6) == measured(measure, 7) == []
    with pytest.raises(DeviceLost, match=r"^timing: it killed 3 workers \(on worker 7\); 3 trials in a row were lost$"):
        measured(measure, 8)
    measure = measurer(records, HerePool(lambda index: index > 5))
    assert measured(measure, 4, 5, 6, 7, 8, 9) == [4, 5], "others come beside them"
    with pytest.raises(DeviceLost):
        measured(measure, 6, 7, 8)


def test_a_record_has_its_trials_number_in_the_search(records: Records) -> None:
    measure = measurer(records, HerePool(once(7)))
    measured(measure, 6, 7, 8)
    measured(measure, 9)
    assert [(record.trial, record.outcome.status) for record in kept(records)] == [
        *((1, Status.OK), (2, Status.LOST), (3, Status.OK), (2, Status.OK), (4, Status.OK))
    ]
    measured(measurer(records, HerePool(), seed=None), 1)
    assert kept(records)[-1].trial is None, "of no search"


def test_what_is_recorded_is_what_measured(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "versions", lambda target: {"dovetail": "the worker's", "target": target})
    measured(measurer(records, HerePool()), 1)
    assert kept(records)[0].versions == {"dovetail": "the worker's", "target": "vdla"}


def test_a_trial_that_could_not_say_has_the_tuners_versions(records: Records) -> None:
    class Crashes(HerePool):
        def run(self, requests: Any) -> Iterator[Reply]:
            return (Reply(key=request.key, status="crashed", message="killed") for request in requests)

    measured(measurer(records, Crashes()), 1)
    assert kept(records)[0].versions == {"dovetail": "mine"}


def test_a_package_that_a_worker_lacks_is_no_fault_of_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("No module named 'numba'")

    space = layer(8)
    monkeypatch.setattr(runtime, "open", missing)
    found = run_trial(Trial(Machine(space.config, "timing"), space.shape, space.knobs(0)))
    close_device()
    assert (found.status, found.message) == (Status.LOST, "No module named 'numba'")


def test_what_decides_costs_and_nothing_else_is_compared(records: Records) -> None:
    own = versions("vdla")
    assert set(own) == {"dovetail", "machine"} and set(versions("cpu")) == {"dovetail", "llvmlite"}
    space = PART.space
    for index, others in enumerate((own | {"numpy": "1"}, own | {"machine": "0"}, {"dovetail": own["dovetail"]})):
        knobs = measuring.knobs_as_dict(space.knobs(index))
        records.add(space.task, knobs, Outcome(status=Status.OK, cost=9.0 - index), device="timing", versions=others)
    best = records.best(space.task, versions=own)
    assert list(recalled(space, kept(records), "timing", own)) == [0]
    assert best is not None and best.outcome.cost == 9.0
