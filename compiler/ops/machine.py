"""The units of the machine as the model sees them: when each is free, and how they share the memory."""

from __future__ import annotations

from itertools import islice

from .timing import ANSWER, ISSUE, QUEUE, START, TOKEN
from .transfers import Transfer
from .work import Work

FAIR_SHARE = 0.5
"""Of the memory's bandwidth, what loads and stores have each when both want more."""


class Ring:
    """Times at which the copies of a buffer are free again."""

    def __init__(self, copies: int) -> None:
        self.free = [0.0] * copies
        self.filled = -1

    def next(self) -> float:
        """When the next copy in turn is free."""
        self.filled += 1
        return self.free[self.filled % len(self.free)]

    def release(self, time: float) -> None:
        """The copy in use is free at `time`."""
        self.free[self.filled % len(self.free)] = time


class Machine:
    """Load, compute and store unit.

    Parameters
    ----------
    reading:
        The share of time in which loads keep the memory busy, by which stores are slowed down.

    Attributes
    ----------
    loaded, computed, answered:
        When the last load, GEMM and store were complete.
    reading:
        Cycles that loads took.
    """

    def __init__(self, work: Work, reading: float) -> None:
        self.work = work
        self.loaded = self.computed = self.answered = self.reading = 0.0
        self._asked, self._drained = float(START), 0.0
        self._gemms: list[float] = []
        self._stores: list[tuple[float, float, float]] = []
        self._passed = 0
        self._reading = reading

    def load(self, transfer: Transfer, free: float) -> None:
        """Load a piece, when a copy is `free` and fetch, which works in order, has got so far."""
        depth = self.work.config.queue_depth
        if len(self._gemms) >= depth:
            free = max(free, self._gemms[-depth])
        if len(self._stores) >= depth // 2:
            free = max(free, self._stores[-(depth // 2)][0])
        self._asked = max(self._asked + ISSUE, free + TOKEN if free else 0.0)
        begin = max(self._asked + self.work.memory.latency, self.loaded)
        self.loaded = max(begin + transfer.unit, self._shared(begin, transfer.bus))
        self.reading += self.loaded - begin

    def gemm(self, length: float, free: float) -> None:
        """Multiply for `length` cycles, when all loads are done and the accumulators are `free`."""
        begin = max(self.computed + ISSUE, self.loaded + TOKEN, free + TOKEN if free else 0.0)
        self._gemms.append(begin)
        self.computed = begin + length

    def param(self) -> None:
        """Read the requantisation of another block, when all stores are answered."""
        queue = QUEUE * self._reading * self.work.ahead
        self._drained = max(self._drained, self.answered) + self._turnaround + self.work.costs.param.bus + queue

    def store(self, transfer: Transfer) -> None:
        """Store the sums of the last GEMM."""
        pace = 1 / (1 - self._reading * FAIR_SHARE)
        begin = max(self._drained, self.computed + TOKEN)
        self._drained = begin + max(transfer.unit, transfer.bus * pace)
        end = self._drained + transfer.tail * pace
        self.answered = end + self._turnaround
        self._stores.append((begin, end, transfer.bus / max(end - begin, 1.0)))

    @property
    def _turnaround(self) -> float:
        return self.work.memory.latency + ANSWER

    def _shared(self, begin: float, bus: float) -> float:
        """The end of a load from `begin` on that has the memory to itself but for the stores meanwhile."""
        at, left = begin, bus
        while self._passed < len(self._stores) and self._stores[self._passed][1] <= at:
            self._passed += 1
        for first, last, share in islice(self._stores, self._passed, None):
            before = max(0.0, first - at)
            if left <= before:
                break
            left -= before
            at = max(at, first)
            possible = (last - at) * (1 - share)
            if left <= possible:
                return at + (left / (1 - share) if left else 0.0)
            left -= possible
            at = last
        return at + left
