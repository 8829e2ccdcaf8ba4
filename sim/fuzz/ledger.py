"""Keeps random programs free of races: knows what every instruction touches and adds the tokens that order it.

An instruction is described by its unit and its *number* there, counted from 1. A clock says for each unit how many of
its instructions are certain to be complete.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import Config
from dovetail.isa.instructions import NEXT, PREVIOUS, QUEUE_BETWEEN, Finish, Instruction, Queue, Sync, Unit

UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
ENDS = {queue: ends for ends, queue in QUEUE_BETWEEN.items()}
MAX_DETOUR = 6
"""Instructions that may be inserted, one for the sake of another, before a wish for order is given up."""


class GiveUp(Exception):  # control flow: the caller drops the instruction that it wanted to add
    """An order cannot be had with a few more tokens."""


@dataclass(frozen=True)
class Access:
    """Entries of a buffer, or grains of DRAM, that an instruction reads or writes."""

    space: str
    entries: slice | NDArray[np.int64]
    write: bool


@dataclass
class _Draft:
    kind: type[Instruction]
    unit: Unit
    fields: dict[str, Any]
    clock: list[int]
    """At its start."""
    flags: set[str] = field(default_factory=set)


class Ledger:
    """A program in the making.

    Parameters
    ----------
    config:
        The machine.
    rng:
        Chooses where tokens are given.
    spaces:
        Names of the buffers and of DRAM, with their sizes in entries.
    eagerness:
        Probability that an instruction gives a token before anyone needs it.
    """

    def __init__(self, config: Config, rng: random.Random, spaces: dict[str, int], eagerness: float) -> None:
        self.config, self.rng, self.eagerness = config, rng, eagerness
        self.drafts: list[_Draft] = []
        self._of_unit: dict[Unit, list[_Draft]] = {unit: [] for unit in UNITS}
        self._clock = {unit: [0, 0, 0] for unit in UNITS}
        self._pending: dict[Unit, set[Queue]] = {unit: set() for unit in UNITS}
        self._pushers: dict[Queue, list[int]] = {queue: [] for queue in Queue}
        self._poppers: dict[Queue, list[int]] = {queue: [] for queue in Queue}
        self._unpopped: dict[Queue, deque[int]] = {queue: deque() for queue in Queue}
        self._last = {
            (space, unit, write): np.zeros(size, np.int32)
            for space, size in spaces.items()
            for unit in UNITS
            for write in (False, True)
        }

    def add(self, kind: type[Instruction], unit: Unit, accesses: Sequence[Access] = (), **fields: Any) -> None:
        """Append an instruction, behind whatever tokens the order of its accesses needs.

        Raises
        ------
        GiveUp:
            Only SYNC instructions have been appended.
        """
        for other in UNITS:
            if other != unit:
                after = self._conflict(unit, other, accesses)
                if after > self._clock[unit][other]:
                    self._order(unit, other, after, MAX_DETOUR)
        number = self._emit(kind, unit, fields)
        for access in accesses:
            self._last[access.space, unit, access.write][access.entries] = number
        for queue, (giver, taker) in ENDS.items():
            if giver == unit and self.rng.random() < self.eagerness and self._has_room(queue, taker, number):
                self._push(queue, number)

    def meet(self, unit: Unit, other: Unit) -> None:
        """Order the next instruction of `unit` after all those of its neighbour `other`, though nothing needs it."""
        if self._of_unit[other]:
            self._order(unit, other, len(self._of_unit[other]), MAX_DETOUR)

    def finish(self) -> list[Instruction]:
        """Take the tokens that are left and return the program."""
        for queue, (_, taker) in ENDS.items():
            while self._unpopped[queue]:
                self._pop(queue, taker)
        for unit in UNITS:
            if self._pending[unit]:
                self._sync(unit)
        made = [draft.kind(**draft.fields, **dict.fromkeys(draft.flags, True)) for draft in self.drafts]
        return [*made, Finish()]

    def _conflict(self, unit: Unit, other: Unit, accesses: Sequence[Access]) -> int:
        """The last instruction of `other` that must not overlap these accesses of `unit`; 0 for none."""
        last = 0
        for access in accesses:
            last = max(last, int(self._last[access.space, other, True][access.entries].max()))
            if access.write:
                last = max(last, int(self._last[access.space, other, False][access.entries].max()))
        return last

    def _order(self, unit: Unit, other: Unit, after: int, detour: int) -> None:
        """Have the next instruction of `unit` begin when instruction `after` of `other` is complete."""
        if detour == 0:
            raise GiveUp
        if (other, unit) not in QUEUE_BETWEEN:
            if after > self._clock[Unit.COMPUTE][other]:
                self._order(Unit.COMPUTE, other, after, detour - 1)
            other, after = Unit.COMPUTE, self._sync(Unit.COMPUTE)
        queue = QUEUE_BETWEEN[other, unit]
        while self._clock[unit][other] < after:
            if not self._unpopped[queue]:
                self._give(queue, after, detour)
            else:
                self._pop(queue, unit)

    def _give(self, queue: Queue, after: int, detour: int) -> None:
        """Push a token at or behind instruction `after` of the giver."""
        giver, taker = ENDS[queue]
        pushers = self._pushers[queue]
        first = max(after, pushers[-1] + 1 if pushers else 1)
        last = len(self._of_unit[giver])
        fit = [number for number in range(max(first, last - 8), last + 1) if self._has_room(queue, taker, number)]
        if fit:
            self._push(queue, self.rng.choice(fit))
            return
        if self._pending[taker]:
            self._sync(taker)
        popper = self._poppers[queue][len(pushers) - self.config.token_depth]
        self._order(giver, taker, popper, detour - 1)
        # On the way the token that was wanted may have been given, or taken.
        number = self._sync(giver)
        if not self._unpopped[queue] and self._has_room(queue, taker, number):
            self._push(queue, number)

    def _has_room(self, queue: Queue, taker: Unit, number: int) -> bool:
        """Whether the queue is certain to take a token from the giver's instruction `number`."""
        overtaken = len(self._pushers[queue]) - self.config.token_depth
        if overtaken < 0:
            return True
        giver = ENDS[queue][0]
        poppers = self._poppers[queue]
        clock = self._of_unit[giver][number - 1].clock
        return overtaken < len(poppers) and clock[taker] >= poppers[overtaken]

    def _push(self, queue: Queue, number: int) -> None:
        giver, taker = ENDS[queue]
        side = "next" if NEXT[giver] == taker else "prev"
        self._of_unit[giver][number - 1].flags.add(f"push_{side}")
        self._pushers[queue].append(number)
        self._unpopped[queue].append(number)

    def _pop(self, queue: Queue, unit: Unit) -> None:
        """Have the next instruction of `unit` take the oldest token."""
        if queue in self._pending[unit]:
            self._sync(unit)
        giver = ENDS[queue][0]
        number = self._unpopped[queue].popleft()
        self._pending[unit].add(queue)
        self._poppers[queue].append(len(self._of_unit[unit]) + 1)
        theirs = list(self._of_unit[giver][number - 1].clock)
        theirs[giver] = number
        self._clock[unit] = [max(pair) for pair in zip(self._clock[unit], theirs, strict=True)]

    def _sync(self, unit: Unit) -> int:
        return self._emit(Sync, unit, {"target": unit})

    def _emit(self, kind: type[Instruction], unit: Unit, fields: dict[str, Any]) -> int:
        draft = _Draft(kind, unit, fields, list(self._clock[unit]))
        for queue in self._pending[unit]:
            draft.flags.add("pop_prev" if ENDS[queue][0] == PREVIOUS[unit] else "pop_next")
        self._pending[unit].clear()
        self._of_unit[unit].append(draft)
        self.drafts.append(draft)
        number = len(self._of_unit[unit])
        self._clock[unit][unit] = number
        return number
