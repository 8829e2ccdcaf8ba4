"""When instructions were dispatched and taken, and when tokens came and went."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..compiled import step

UNKNOWN = 1 << 60
"""A time that depends on what has not been followed yet."""
PUSHED, POPPED, RESERVED = range(3)
"""Rows of the counts of tokens, int64 [3, queues]."""


class Events(NamedTuple):
    """Cycles of what happened, by the number that it has in its queue.

    Attributes
    ----------
    offered: int64 [3, instructions]
        When a unit's queue shows an instruction to the unit.
    taken: int64 [3, instructions]
        When it leaves the queue.
    shown: int64 [3]
        How many of a unit's instructions have been dispatched.
    left: int64 [3]
        How many have left their queue.
    pushed, popped: int64 [queues, tokens]
        When a token can be popped first; when it was popped.
    counts: int64 [3, queues]
        `PUSHED`, `POPPED`, `RESERVED`.
    token_depth:
        Tokens of a queue, with those that are reserved.
    """

    offered: Any
    taken: Any
    shown: Any
    left: Any
    pushed: Any
    popped: Any
    counts: Any
    token_depth: int


def events(instructions: int, queues: int, token_depth: int) -> Events:
    """Nothing has happened."""
    return Events(
        np.zeros((3, instructions + 1), np.int64),
        np.zeros((3, instructions + 1), np.int64),
        np.zeros(3, np.int64),
        np.zeros(3, np.int64),
        np.zeros((queues, instructions + 1), np.int64),
        np.zeros((queues, instructions + 1), np.int64),
        np.zeros((3, queues), np.int64),
        token_depth,
    )


@step
def push(e: Events, queue: int, at: int) -> None:
    """A token can be popped from cycle `at` on."""
    e.pushed[queue, e.counts[PUSHED, queue]] = at
    e.counts[PUSHED, queue] += 1


@step
def can_pop(e: Events, queue: int) -> int:
    """The first cycle in which the next token can be popped."""
    count = e.counts[POPPED, queue]
    if count >= e.counts[PUSHED, queue]:
        return UNKNOWN
    at: int = e.pushed[queue, count]
    return at


@step
def pop(e: Events, queue: int, at: int) -> None:
    """A token is popped."""
    e.popped[queue, e.counts[POPPED, queue]] = at
    e.counts[POPPED, queue] += 1


@step
def can_reserve(e: Events, queue: int) -> int:
    """The first cycle in which a place for a token can be reserved."""
    needs = e.counts[RESERVED, queue] - e.token_depth
    if needs < 0:
        return 0
    if needs >= e.counts[POPPED, queue]:
        return UNKNOWN
    at: int = e.popped[queue, needs] + 1
    return at


@step
def take(e: Events, unit: int, at: int) -> None:
    """An instruction leaves its queue."""
    e.taken[unit, e.left[unit]] = at
    e.left[unit] += 1
