"""Trials on a device pool, each recorded before anybody hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.space import Space, knobs_as_dict
from dovetail.runtime.pool import Pool, Reply, Request

STATUSES = {"failed": Status.FAILED, "crashed": Status.CRASHED, "timeout": Status.TIMEOUT, "lost": Status.LOST}
MAX_MESSAGE = 300


@dataclass(frozen=True)
class Measurer:
    """Measures settings of spaces.

    Attributes
    ----------
    trial:
        From a space and a setting's number, the function to run on a worker and its argument; it returns an `Outcome`.
    device:
        What workers must have, and what records say.
    timeout:
        Seconds for a trial, waiting not counted.
    """

    pool: Pool
    records: Records
    trial: Callable[[Space, int], tuple[Callable[[Any], Outcome], object]]
    device: str
    timeout: float
    versions: dict[str, str]
    _numbers: Iterator[int] = count()

    def __call__(self, space: Space, indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        """Outcomes as they come, each once.

        Raises
        ------
        DeviceUnavailable, DeviceLost:
            See `Pool.run`.
        RecordsError:
            An outcome cannot be recorded.
        """
        waiting: dict[str, int] = {}
        requests = []
        for index in indices:
            function, argument = self.trial(space, index)
            key = f"trial-{next(self._numbers)}"
            waiting[key] = index
            requests.append(
                Request(key=key, function=function, argument=argument, resource=self.device, timeout=self.timeout)
            )
        for reply in self.pool.run(requests):
            index = waiting.pop(reply.key)
            outcome = outcome_of(reply)
            self.records.add(
                space.task, knobs_as_dict(space.knobs(index)), outcome, device=self.device, versions=self.versions
            )
            yield index, outcome


def outcome_of(reply: Reply) -> Outcome:
    """What a reply says of a trial."""
    if reply.status == "done":
        assert isinstance(reply.value, Outcome)
        return reply.value
    return Outcome(status=STATUSES[reply.status], message=reply.message[:MAX_MESSAGE], seconds=reply.seconds)
