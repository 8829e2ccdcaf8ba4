"""An order of execution that the tokens allow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from dovetail.isa.config import Config
from dovetail.isa.instructions import Finish, Instruction, Queue, Unit

from .errors import DeadlockError, EndError

UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)


def execution_order(instructions: Sequence[Instruction], config: Config) -> Iterator[int]:
    """Yield the indices of the instructions before FINISH in an order that the machine may execute them in.

    Fetch hands out instructions in order and waits while a unit's queue is full; a unit waits at its first instruction
    for tokens and for room for those that it will give. A unit runs as far as it can before the next one is tried, so
    that missing dependences show.

    Raises
    ------
    DeadlockError:
        No unit can go on; the message names what each waits for.
    EndError:
        There is no FINISH.
    """
    waiting: dict[Unit, deque[int]] = {unit: deque() for unit in UNITS}
    level = dict.fromkeys(Queue, 0)
    end = next((index for index, item in enumerate(instructions) if isinstance(item, Finish)), None)
    fetched, executed = 0, 0
    last = len(instructions) if end is None else end
    while executed < last:
        before = executed
        for unit in UNITS:
            queue = waiting[unit]
            while True:
                while fetched < last and len(waiting[instructions[fetched].unit]) < config.queue_depth:
                    waiting[instructions[fetched].unit].append(fetched)
                    fetched += 1
                if not queue:
                    break
                pops, pushes = instructions[queue[0]].pops(), instructions[queue[0]].pushes()
                if _obstacle(pops, pushes, level, config):
                    break
                for taken in pops:
                    level[taken] -= 1
                yield queue.popleft()
                for given in pushes:
                    level[given] += 1
                executed += 1
        if executed == before:
            raise DeadlockError(_describe(instructions, waiting, level, config))
    if end is None:
        raise EndError(f"the program of {len(instructions)} instructions ends without FINISH")


def _obstacle(pops: Sequence[Queue], pushes: Sequence[Queue], level: dict[Queue, int], config: Config) -> str:
    """What keeps an instruction from starting; empty when nothing does."""
    for queue in pops:
        if level[queue] == 0:
            return f"a token from {queue.name.lower()}"
    for queue in pushes:
        if level[queue] == config.token_depth:
            return f"room in {queue.name.lower()} (token_depth={config.token_depth})"
    return ""


def _describe(
    instructions: Sequence[Instruction], waiting: dict[Unit, deque[int]], level: dict[Queue, int], config: Config
) -> str:
    parts = []
    for unit, queue in waiting.items():
        if queue:
            instruction = instructions[queue[0]]
            what = _obstacle(instruction.pops(), instruction.pushes(), level, config)
            parts.append(f"{unit.name.lower()} waits at instruction {queue[0]} {instruction.opcode.name} for {what}")
    return "deadlock: " + "; ".join(parts)
