"""Fetching and dispatch, and the compute unit, which uses no bus."""

from __future__ import annotations

from typing import Any

from dovetail.isa.instructions import Queue, Unit

from ..compiled import registers, step
from ..encode import WORKS
from .bus import beats_time, read_starts
from .events import RESERVED, UNKNOWN, Events, can_pop, can_reserve, pop, push, take

FETCH = registers(
    *("words", "beats_per_word", "capacity", "burst_words", "first_burst", "limit", "depth"),
    *("asked", "bursts", "asked_at", "known", "popped", "dispatched", "last", "finished"),
)
"""The first seven are settings: instructions; beats of one; words that may wait, and are asked for at once, with those
of the first burst, which ends at a boundary; bursts in flight; a unit's queue. `asked` and `known` count words,
`last` is the cycle of the last dispatch."""
COMPUTE = registers("read_stage", "write_stage", "position", "until", "shown", "settled")
"""The first two are settings. `until`: the cycle of the last slot; `shown`: when an instruction last left the queue."""
LOAD, WORK, STORE = int(Unit.LOAD), int(Unit.COMPUTE), int(Unit.STORE)
L2C, C2L = int(Queue.LOAD_TO_COMPUTE), int(Queue.COMPUTE_TO_LOAD)
C2S, S2C = int(Queue.COMPUTE_TO_STORE), int(Queue.STORE_TO_COMPUTE)


@step
def burst_words(f: Any) -> int:
    """Words of the next burst."""
    size = f.first_burst if f.bursts == 0 else f.burst_words
    words: int = min(size, f.words - f.asked)
    return words


@step
def fetch_at(f: Any, ends: Any, pops: Any) -> int:
    """When the next words can be asked for."""
    if f.asked == f.words:
        return UNKNOWN
    at: int = f.asked_at + 3
    needs = f.asked + f.burst_words - f.capacity - 1
    if needs >= 0:
        if needs >= f.popped:
            return UNKNOWN
        at = max(at, pops[needs] + 4)
    if f.bursts >= f.limit:
        at = max(at, ends[f.bursts % f.limit] + 1)
    return at


@step
def fetch_burst(f: Any, bus: Any, ends: Any, arrivals: Any, at: int) -> None:
    """Words are asked for. `arrivals`: when the last beat of each comes."""
    words = burst_words(f)
    beats = words * f.beats_per_word
    start = read_starts(bus, at, beats)
    for word in range(words):
        arrivals[f.asked + word] = start + beats_time(bus, (word + 1) * f.beats_per_word - 1)
    end = start + beats_time(bus, beats - 1)
    bus.read_free = end + 1
    ends[f.bursts % f.limit] = end
    f.asked += words
    f.known = f.asked
    f.asked_at = at
    f.bursts += 1


@step
def dispatch(f: Any, entries: Any, e: Events, arrivals: Any, pops: Any) -> int:
    """Dispatch all that can be followed; how many instructions that were."""
    before = f.dispatched
    while f.dispatched < f.words:
        number = f.dispatched
        if f.popped == number:
            if number >= f.known:
                break
            at = max(arrivals[number] + 4, f.last + 1)
            if number:
                at = max(at, pops[number - 1] + 3)
            pops[number] = at
            f.popped += 1
        at = pops[number] + 1
        if number == f.words - 1:
            f.finished = at + 1
        else:
            unit = entries[number].unit
            place = e.shown[unit] - f.depth
            if place >= 0:
                if place >= e.left[unit]:
                    break
                at = max(at, e.taken[unit, place] + 1)
            e.offered[unit, e.shown[unit]] = at + 2
            e.shown[unit] += 1
        f.last = at
        f.dispatched += 1
    done: int = f.dispatched - before
    return done


@step
def compute(c: Any, entries: Any, queue: Any, e: Events, starts: Any, stops: Any) -> int:
    """Carry out all instructions whose beginning is known; how many there were.

    Parameters
    ----------
    starts, stops: int64 [instructions]
        When they begin, and when their last slots are given.
    """
    before = c.position
    while c.position < e.shown[WORK]:
        place = c.position
        if e.left[WORK] == place:
            leaves = max(e.offered[WORK, place], c.shown + 1)
            if place >= 2:
                leaves = max(leaves, starts[place - 2] + 1)
            take(e, WORK, leaves)
            c.shown = leaves
        i = entries[queue[place]]
        at = max(c.shown + 1, c.until)
        if i.pop_prev:
            at = max(at, can_pop(e, L2C))
        if i.pop_next:
            at = max(at, can_pop(e, S2C))
        if i.push_prev:
            at = max(at, can_reserve(e, C2L))
        if i.push_next:
            at = max(at, can_reserve(e, C2S))
        if at >= UNKNOWN:
            break
        slots = i.outer * i.inner * i.uop_count * (1 + i.two_slots) if i.kind == WORKS else 1
        starts[place] = at
        c.until = at + slots
        stops[place] = c.until
        done = c.until + c.write_stage + 1
        if i.kind == WORKS or i.push_prev or i.push_next:
            c.settled = done
        if i.pop_prev:
            pop(e, L2C, at)
        if i.pop_next:
            pop(e, S2C, at)
        if i.push_prev:
            e.counts[RESERVED, C2L] += 1
            push(e, C2L, done)
        if i.push_next:
            e.counts[RESERVED, C2S] += 1
            push(e, C2S, done)
        c.position += 1
    count: int = c.position - before
    return count


@step
def passes(
    c: Any, entries: Any, queue: Any, starts: Any, stops: Any, place: int, at: int, cycles: int, spare: int
) -> tuple[int, int]:
    """When another has had the accumulators for so many cycles, from `at` on, in which no slot always reads them.

    Parameters
    ----------
    place:
        No instruction before this one is at work at `at`; the second result is the first that may be.
    spare:
        Cycles that pass at most, after as many that were free, before it is felt that the accumulators are taken.
    """
    begin = free = at
    at += cycles
    first = place
    while place < c.position:
        stop = stops[place] + c.read_stage
        if stop <= begin:
            first = place + 1
        elif starts[place] + c.read_stage >= at:
            break
        elif entries[queue[place]].reads_always:
            taken = max(starts[place] + c.read_stage, begin)
            at += max(0, stop - taken - min(spare, taken - free))
            free = stop
        place += 1
    return at, first
