"""The search for the best setting of one task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .explore import Explorer
from .outcome import Outcome
from .space import Space

BATCH = 8

Measure = Callable[[Sequence[int]], Iterator[tuple[int, Outcome]]]
"""Measures settings; outcomes come in any order, each once, and none of what was lost with its device.

It raises an error rather than to lose settings for ever.
"""


@dataclass
class Found:
    """What a search has measured.

    Attributes
    ----------
    history:
        Settings in the order in which they were proposed, with what came of them.
    """

    history: list[tuple[int, Outcome]] = field(default_factory=list)

    @property
    def best(self) -> int | None:
        """The setting with the lowest cost; None while all have failed."""
        costs = [(outcome.cost, place) for place, (_, outcome) in enumerate(self.history) if outcome.cost is not None]
        return self.history[min(costs)[1]][0] if costs else None

    @property
    def curve(self) -> list[float | None]:
        """The lowest cost after each trial; None before there is one."""
        lowest: list[float | None] = []
        for _, outcome in self.history:
            known = [cost for cost in (lowest[-1] if lowest else None, outcome.cost) if cost is not None]
            lowest.append(min(known, default=None))
        return lowest


Tell = Callable[[int, Outcome], object]


def search(
    space: Space,
    explorer: Explorer,
    measure: Measure,
    trials: int,
    *,
    batch: int = BATCH,
    tell: Tell | None = None,
    found: Found | None = None,
) -> Found:
    """Measure what `explorer` proposes, a batch at a time, until it is done.

    It is told outcomes in the order of its proposals, so that a search does not depend on which was faster.

    Parameters
    ----------
    trials:
        No more settings are measured.
    tell:
        Called after each outcome, as it comes, with what was found before its batch.
    found:
        What is added to; whoever gives it has it when the search is broken off.
    """
    found = Found() if found is None else found
    while len(found.history) < min(trials, space.size) and not explorer.done:
        asked = explorer.propose(min(batch, trials - len(found.history)))
        if not asked:
            break
        outcomes: dict[int, Outcome] = {}
        try:
            for index, outcome in measure(asked):
                outcomes[index] = outcome
                if tell is not None:
                    tell(index, outcome)
        finally:
            for index in asked:
                if index in outcomes:
                    explorer.tell(index, outcomes[index].cost)
                    found.history.append((index, outcomes[index]))
    return found
