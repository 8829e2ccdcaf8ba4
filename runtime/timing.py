"""How long a module takes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Timing:
    """What `Module.time_evaluator` measured.

    Attributes
    ----------
    seconds:
        Of one run, averaged over each repetition.
    cycles:
        Of one run on the accelerator; None where there is no time.
    """

    seconds: tuple[float, ...]
    cycles: int | None

    @property
    def mean(self) -> float:
        return fmean(self.seconds)

    @property
    def min(self) -> float:
        return min(self.seconds)
