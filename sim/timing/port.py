"""The units' way to the memory, as `hw.axi` has it."""

from __future__ import annotations

from typing import Any

from dovetail.hw.axi import AxiId

from .compiled import registers, step
from .fifo import fifo_step

FETCH, LOAD, STORE = int(AxiId.FETCH), int(AxiId.LOAD), int(AxiId.STORE)
READ_PORT = registers("limit", "valid", "len", "id", "store_next", "fetch_reads", "load_reads", "store_reads")
"""The address channel; how many bursts of each unit are in flight, `limit` at most."""
WRITE_PORT = registers("limit", "aw_valid", "aw_len", "w_valid", "owing", "more_beats", "bursts", "done")
"""Address and data channels; bursts in flight. `done`: an answer, a cycle after it came."""
NOBODY = -1


@step
def chosen(p: Any, fetch: int, load: int, store: int) -> int:
    """The unit whose request leaves in this cycle if the channel is free; the arguments say who asks."""
    if fetch and p.fetch_reads < p.limit:
        return FETCH
    store_may = store and p.store_reads < p.limit
    if load and p.load_reads < p.limit and not (store_may and p.store_next):
        return LOAD
    return STORE if store_may else NOBODY


@step
def read_step(p: Any, who: int, length: int, ready: int, ended: int) -> None:
    """A cycle in which the request of `who` waits, memory takes requests if `ready`, and a burst of `ended` ends."""
    if p.valid == 0 or ready:
        p.valid = who != NOBODY
        if who == FETCH:
            p.fetch_reads += 1
        elif who == LOAD:
            p.load_reads += 1
            p.store_next = 1
        elif who == STORE:
            p.store_reads += 1
            p.store_next = 0
        p.len = length
        p.id = who
    if ended == FETCH:
        p.fetch_reads -= 1
    elif ended == LOAD:
        p.load_reads -= 1
    elif ended == STORE:
        p.store_reads -= 1


@step
def takes_request(p: Any, aw_ready: int) -> int:
    """Whether a burst's request would leave in this cycle."""
    return 1 if ((p.aw_valid == 0 or aw_ready) and p.bursts < p.limit) else 0


@step
def sends_beat(p: Any, w_ready: int, beat: int) -> int:
    """Whether a beat leaves in this cycle if there is one."""
    return 1 if (beat and p.owing and (p.w_valid == 0 or w_ready)) else 0


@step
def write_step(
    p: Any, owed: Any, lengths: Any, taken: int, length: int, sends: int, aw_ready: int, w_ready: int, answer: int
) -> None:
    """A cycle in which a burst of `length` beats less one is `taken`, a beat sent, and an answer comes.

    Parameters
    ----------
    owed:
        A `FIFO` of bursts whose data is owed.
    lengths: int64 [more than the FIFO holds + 1]
        Theirs; the first is the count of those put in, the second of those taken.
    """
    p.done = answer
    if p.aw_valid == 0 or aw_ready:
        p.aw_valid = taken
        p.aw_len = length
    p.bursts += taken - answer
    w_free = p.w_valid == 0 or w_ready
    last = p.more_beats < 0
    pulls = p.owing == 0 or (sends and last)
    size = len(lengths) - 2
    if pulls:
        p.owing = owed.out
        if owed.out:
            p.more_beats = lengths[2 + lengths[1] % size] - 1
            lengths[1] += 1
    elif sends:
        p.more_beats -= 1
    if w_free:
        p.w_valid = sends
    if taken:
        lengths[2 + lengths[0] % size] = length
        lengths[0] += 1
    fifo_step(owed, taken, pulls and owed.out)
