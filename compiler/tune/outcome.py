"""What came of measuring a schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """Only what is `OK` has a cost: it ran to the end and its output was right."""

    OK = "ok"
    WRONG = "wrong"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A measurement.

    Attributes
    ----------
    cost:
        Cycles on an accelerator; on a processor the time over that of the untuned schedule: finite and above 0. None
        unless `status` is OK.
    message:
        Why there is no cost.
    seconds:
        What compiling, running and checking took.
    """

    status: Status
    cost: float | None = None
    message: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.cost is not None):
            raise ValueError(
                f"a measurement has a cost exactly when it is ok, not {self.status.value} with {self.cost}"
            )
        if self.cost is not None and not 0 < self.cost < math.inf:
            raise ValueError(f"a cost must be finite and above 0, not {self.cost}")
