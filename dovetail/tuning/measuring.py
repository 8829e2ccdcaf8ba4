"""Trials on a device pool, each recorded before anybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.space import knobs_as_dict
from dovetail.runtime import DeviceLost
from dovetail.runtime.pool import Pool, Reply, Request

from .parts import Part

STATUSES = {"failed": Status.FAILED, "crashed": Status.CRASHED, "timeout": Status.TIMEOUT, "lost": Status.LOST}
MAX_MESSAGE = 300


@dataclass(frozen=True)
class Measurer:
    """Measures settings of parts.

    Attributes
    ----------
    device:
        What workers must have, and what records say.
    timeout:
        Seconds for a trial, waiting not counted.
    seed:
        Of the search, for the records.
    """

    pool: Pool
    records: Records
    device: str
    timeout: float
    versions: dict[str, str]
    seed: int | None = None

    def __call__(self, asked: Sequence[tuple[Part, int]]) -> Iterator[tuple[Part, int, Outcome]]:
        """Outcomes of parts' settings as they come, each once.

        Raises
        ------
        DeviceUnavailable, DeviceLost:
            See `Pool.run`; or all of several trials were lost.
        RecordsError:
            An outcome cannot be recorded.
        """
        requests = []
        for number, (part, index) in enumerate(asked):
            function, argument = part.trial(index)
            requests.append(
                Request(
                    key=str(number), function=function, argument=argument, resource=self.device, timeout=self.timeout
                )
            )
        lost: list[str] = []
        for reply in self.pool.run(requests):
            part, index = asked[int(reply.key)]
            outcome = outcome_of(reply)
            if outcome.status is Status.LOST:
                lost.append(outcome.message)
            knobs = knobs_as_dict(part.space.knobs(index))
            self.records.add(
                part.space.task, knobs, outcome, device=self.device, versions=self.versions, seed=self.seed
            )
            yield part, index, outcome
        if lost and len(lost) == len(asked):
            raise DeviceLost(f"{self.device}: {lost[0]}")


def outcome_of(reply: Reply) -> Outcome:
    """What a reply says of a trial."""
    if reply.status == "done":
        assert isinstance(reply.value, Outcome)
        return reply.value
    return Outcome(status=STATUSES[reply.status], message=reply.message[:MAX_MESSAGE], seconds=reply.seconds)
