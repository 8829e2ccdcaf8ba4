"""The token net: the instructions as events that three in-order units exchange tokens about.

A run to the end decides about deadlock, because the net is deterministic: no unit ever chooses between tokens, so any
schedule that always does something possible reaches the same state. The run also yields, for each instruction, what is
certain to be complete when it starts (`Schedule.clocks`), on which the rules for overflow and races rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import le

from ..config import Config
from ..instructions import QUEUE_BETWEEN, Instruction, Queue, Unit
from .errors import VerificationError, name

UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
ENDS = {queue: pair for pair, queue in QUEUE_BETWEEN.items()}
"""Producer and consumer of each queue."""

Clock = tuple[int, int, int]
"""For each unit, how many of its instructions are complete."""


@dataclass(frozen=True)
class Schedule:
    """One possible run, and what holds in all of them.

    Attributes
    ----------
    order:
        Indices of instructions, each after all that must end before it starts; as far as that allows in program order.
    number:
        For each instruction, its place among those of its unit, from 1.
    clocks:
        For each instruction, the instructions of each unit that are complete when it starts, in every run.
    of_unit:
        Indices of each unit's instructions, in order.
    """

    order: list[int]
    number: list[int]
    clocks: list[Clock]
    of_unit: list[list[int]]

    def index(self, unit: Unit, number: int) -> int:
        """The index of the instruction that is the `number`-th of its unit."""
        return self.of_unit[unit][number - 1]


def schedule(instructions: Sequence[Instruction], config: Config) -> Schedule:
    """Run the token net.

    Parameters
    ----------
    instructions:
        The program without its FINISH.

    Raises
    ------
    VerificationError:
        Rules ``deadlock``, ``leftover`` and ``overflow``.
    """
    net = _Net(instructions, config)
    net.run()
    if len(net.order) < len(instructions):
        raise net.deadlock()
    net.check_leftover()
    net.check_overflow()
    return Schedule(_program_order(net.of_unit, net.clocks), net.number, net.clocks, net.of_unit)


def _program_order(of_unit: list[list[int]], clocks: list[Clock]) -> list[int]:
    """All instructions, always the first one in the program of those that can start."""
    done = [0, 0, 0]
    order: list[int] = []
    total = sum(map(len, of_unit))
    while len(order) < total:
        heads = ((of_unit[unit][done[unit]], unit) for unit in UNITS if done[unit] < len(of_unit[unit]))
        index, unit = min(head for head in heads if all(map(le, clocks[head[0]], done)))
        order.append(index)
        done[unit] += 1
    return order


class _Net:
    def __init__(self, instructions: Sequence[Instruction], config: Config) -> None:
        self.instructions, self.config = instructions, config
        self.pops = [instruction.pops() for instruction in instructions]
        self.pushes = [instruction.pushes() for instruction in instructions]
        self.units = [int(instruction.unit) for instruction in instructions]
        self.of_unit: list[list[int]] = [[] for _ in UNITS]
        self.number = []
        for index, unit in enumerate(self.units):
            self.of_unit[unit].append(index)
            self.number.append(len(self.of_unit[unit]))
        self.fetched = 0
        self.order: list[int] = []
        self.clocks: list[Clock] = [(0, 0, 0)] * len(instructions)
        self.pushed: list[list[int]] = [[] for _ in Queue]
        self.popped: list[list[int]] = [[] for _ in Queue]
        self.waiting: list[deque[int]] = [deque() for _ in UNITS]

    def run(self) -> None:
        """Hand out and execute instructions until nothing more is possible."""
        done: list[Clock] = [(0, 0, 0) for _ in UNITS]
        depth, waiting = self.config.queue_depth, self.waiting
        moved = True
        while moved:
            moved = False
            while self.fetched < len(self.instructions) and len(waiting[self.units[self.fetched]]) < depth:
                waiting[self.units[self.fetched]].append(self.fetched)
                self.fetched += 1
                moved = True
            for unit in UNITS:
                while waiting[unit] and self.missing(waiting[unit][0]) is None:
                    done[unit] = self.execute(waiting[unit].popleft(), done[unit])
                    moved = True

    def missing(self, index: int) -> Queue | None:
        """A queue that lacks the token that an instruction needs."""
        for queue in self.pops[index]:
            if len(self.popped[queue]) == len(self.pushed[queue]):
                return queue
        return None

    def execute(self, index: int, clock: Clock) -> Clock:
        """Run an instruction after those that `clock` holds; the clock at its end."""
        load, compute, store = clock
        for queue in self.pops[index]:
            giver = self.pushed[queue][len(self.popped[queue])]
            self.popped[queue].append(index)
            theirs = self._end(giver)
            load, compute, store = max(load, theirs[0]), max(compute, theirs[1]), max(store, theirs[2])
        self.clocks[index] = (load, compute, store)
        for queue in self.pushes[index]:
            self.pushed[queue].append(index)
        self.order.append(index)
        return self._end(index)

    def _end(self, index: int) -> Clock:
        load, compute, store = self.clocks[index]
        number = self.number[index]
        match self.units[index]:
            case Unit.LOAD:
                return number, compute, store
            case Unit.COMPUTE:
                return load, number, store
        return load, compute, number

    def deadlock(self) -> VerificationError:
        stuck = []
        for unit in UNITS:
            if self.waiting[unit]:
                index = self.waiting[unit][0]
                queue = self.missing(index)
                assert queue is not None
                stuck.append((index, unit, ENDS[queue][0]))
        stuck.sort()
        phrases = [
            f"{unit.name.lower()} waits for a token from {giver.name.lower()} at "
            + (f"instruction {index}" if place else name(index, self.instructions[index]))
            for place, (index, unit, giver) in enumerate(stuck)
        ]
        if self.fetched < len(self.instructions):
            full = Unit(self.units[self.fetched]).name.lower()
            phrases.append(
                f"fetch cannot hand out instruction {self.fetched}: "
                f"{self.config.queue_depth} (queue_depth) wait in front of {full} already"
            )
        return VerificationError("deadlock", f"deadlock: {'; '.join(phrases)}", stuck[0][0])

    def check_leftover(self) -> None:
        for queue in Queue:
            left = len(self.pushed[queue]) - len(self.popped[queue])
            if left:
                giver, taker = (unit.name.lower() for unit in ENDS[queue])
                index = self.pushed[queue][-left]
                what = f"{left} of {giver}'s {len(self.pushed[queue])} tokens for {taker} are left at FINISH"
                raise VerificationError("leftover", what, index, self.instructions[index])

    def check_overflow(self) -> None:
        """The n-th push into a queue of depth d is safe when the pop n - d has surely started before."""
        depth = self.config.token_depth
        for queue in Queue:
            taker = ENDS[queue][1]
            for pusher, popper in zip(self.pushed[queue][depth:], self.popped[queue], strict=False):
                if self.clocks[pusher][taker] < self.number[popper]:
                    what = (
                        f"its token for {taker.name.lower()} can be the {depth + 1}th in its queue, before "
                        f"{taker.name.lower()} takes one at instruction {popper}; token_depth is {depth}"
                    )
                    raise VerificationError("overflow", what, pusher, self.instructions[pusher])
