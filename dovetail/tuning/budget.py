"""Which of several searches gets the next trials: the one from which most can still be expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE = 0.5
"""What is expected of a search falls by this factor with each batch that found nothing better."""


@dataclass(frozen=True)
class Standing:
    """How far a search is.

    Attributes
    ----------
    weight:
        How often the workload has what is searched for.
    best:
        The lowest cost so far, in cycles; None before there is one.
    bound:
        No cost is lower.
    barren:
        Batches since something better was found.
    done:
        There is nothing left to try.
    """

    weight: int
    best: float | None
    bound: float
    barren: int
    done: bool


def next_search(standings: Sequence[Standing]) -> int | None:
    """The place of the search to go on with; None when all are done.

    What a search can save is its distance from the bound, times its weight; a search that has measured nothing comes
    first.
    """

    def expected(place: int) -> float:
        one = standings[place]
        if one.best is None:
            return float("inf") if one.barren == 0 else 0.0
        return one.weight * (one.best - one.bound) * PATIENCE**one.barren

    open_ones = [place for place, one in enumerate(standings) if not one.done]
    return max(open_ones, key=expected) if open_ones else None
