"""Trials on a device pool, each recorded before anybody hears of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.space import knobs_as_dict
from dovetail.compiler.tune.task import Task
from dovetail.runtime import DeviceLost
from dovetail.runtime.pool import Pool, Reply, Request

from .parts import Call, Part
from .versions import versions

STATUSES = {"failed": Status.FAILED, "crashed": Status.CRASHED, "timeout": Status.TIMEOUT, "lost": Status.LOST}
MAX_MESSAGE = 300
ATTEMPTS = 2
"""A trial that is lost is made so often."""
MAX_LOST = 3
"""When so many trials were lost in each attempt, and no other came to an end beside them, the devices count as gone."""


@dataclass
class Measurer:
    """Measures settings of parts.

    Attributes
    ----------
    device:
        What workers must have, and what records say.
    timeout:
        Seconds for a trial, waiting not counted.
    versions:
        For the records of trials that ended before they could say what measured them.
    seed:
        Of the search, for the records; None where there is none.
    """

    pool: Pool
    records: Records
    device: str
    timeout: float
    versions: Mapping[str, str]
    seed: int | None = None
    _trials: Counter[Task] = field(default_factory=Counter, init=False)
    _lost: int = field(default=0, init=False)

    def __call__(self, asked: Sequence[tuple[Part, int]]) -> Iterator[tuple[Part, int, Outcome]]:
        """Outcomes of parts' settings as they come, each once; none of a setting whose trial was lost each time.

        Raises
        ------
        DeviceUnavailable, DeviceLost:
            See `Pool.run`; or several trials in a row were lost.
        RecordsError:
            An outcome cannot be recorded.
        """
        numbers = [self._number(part) for part, _ in asked]
        left, came = list(range(len(asked))), False
        for attempt in range(1, ATTEMPTS + 1):
            if not left:
                return
            lost = []
            for reply in self.pool.run([self._request(place, *asked[place]) for place in left]):
                place = int(reply.key)
                part, index = asked[place]
                outcome = self._recorded(part, index, reply, numbers[place])
                if outcome.status is not Status.LOST:
                    self._lost, came = 0, True
                    yield part, index, outcome
                    continue
                lost.append(place)
                self._lost += attempt == ATTEMPTS and not came
                if self._lost >= MAX_LOST:
                    raise DeviceLost(f"{self.device}: {outcome.message}; {MAX_LOST} trials in a row were lost")
            left = lost

    def _number(self, part: Part) -> int | None:
        self._trials[part.space.task] += 1
        return None if self.seed is None else self._trials[part.space.task]

    def _request(self, place: int, part: Part, index: int) -> Request:
        argument = part.trial(index), part.space.task.target
        return Request(
            key=str(place), function=_measured, argument=argument, resource=self.device, timeout=self.timeout
        )

    def _recorded(self, part: Part, index: int, reply: Reply, number: int | None) -> Outcome:
        """What a reply says of a trial."""
        if reply.status == "done":
            outcome, measured_by = reply.value
        else:
            where = f" (on {reply.worker})" if reply.status == "lost" and reply.worker else ""
            message = reply.message[: MAX_MESSAGE - len(where)] + where
            outcome, measured_by = Outcome(status=STATUSES[reply.status], message=message, seconds=reply.seconds), None
        assert isinstance(outcome, Outcome)
        self.records.add(
            part.space.task,
            knobs_as_dict(part.space.knobs(index)),
            outcome,
            device=self.device,
            versions=measured_by or self.versions,
            seed=self.seed,
            trial=number,
        )
        return outcome


def _measured(trial: tuple[Call, str]) -> tuple[Outcome, dict[str, str]]:
    """What came of a trial, and what measured it; called beside the device."""
    (function, argument), target = trial
    return function(argument), versions(target)
