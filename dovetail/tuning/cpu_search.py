"""The search for the best cut of a CPU convolution: what the analytical model ranks first, and what is near the
fastest so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dovetail.compiler.tune.cpu_space import CpuSpace
from dovetail.compiler.tune.explore.explorer import Proposals
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.search import Found, Tell, search
from dovetail.compiler.tune.space import Space

from .cpu_trial import CpuTrial, run_cpu_trial

FASTEST = 4
"""Settings of which neighbours are tried."""


class RankedExplorer:
    """An `Explorer` that takes settings in the order of the space's estimate and, in turn, neighbours of the fastest.

    It begins with the setting that the compiler takes untuned.
    """

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._proposals = Proposals(space, rng)
        self.space, self.rng = space, rng
        default = space.default()
        ranked = np.argsort(space.estimate(np.arange(space.size)), kind="stable")
        self._ranked = [*([] if default is None else [default]), *map(int, ranked)]
        self._costs: dict[int, float] = {}

    @property
    def done(self) -> bool:
        return self._proposals.exhausted

    def propose(self, count: int) -> list[int]:
        chosen: list[int] = []
        while len(chosen) < count and not self.done:
            near = self._near() if len(chosen) % 2 and len(self._costs) >= FASTEST else None
            found = self._next() if near is None else near
            self._proposals.add(found)
            chosen.append(found)
        return chosen

    def tell(self, index: int, cost: float | None) -> None:
        self._proposals.add(index)
        if cost is not None:
            self._costs[index] = cost

    def _near(self) -> int | None:
        """A neighbour of one of the fastest; None if none was drawn that is new."""
        fastest = np.array(sorted(self._costs, key=self._costs.__getitem__)[:FASTEST], np.int64)
        new = self._proposals.new(self.space.neighbours(self.rng, np.repeat(fastest, 2)))
        return int(new[0]) if len(new) else None

    def _next(self) -> int:
        """The first by the estimate that is new; there is one."""
        return next(index for index in self._ranked if len(self._proposals.new(np.array([index]))))


def search_cpu(space: CpuSpace, trials: int, *, seed: int = 0, tell: Tell | None = None) -> Found:
    """Measure up to `trials` cuts, one after the other, in this process; all where there are no more."""

    def measure(indices: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
        for index in indices:
            yield index, run_cpu_trial(CpuTrial(space.shape, space.knobs(index), space.dtype))

    return search(space, RankedExplorer(space, np.random.default_rng(seed)), measure, trials, tell=tell)
