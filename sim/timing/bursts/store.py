"""The store unit, burst by burst."""

from __future__ import annotations

from typing import Any

from ..compiled import registers, step
from ..encode import PARAMS, POSTS, STORES
from ..store import LATENCY, OPEN
from .bus import beats_time, read_starts, write_ends
from .cutter import begin_block, next_burst, pass_burst
from .events import RESERVED, UNKNOWN, Events, can_pop, can_reserve, pop, push, take
from .front import C2S, S2C, STORE, passes

STORER = registers(
    *("limit", "depth", "lanes", "groups", "raw_groups", "beat_bytes", "param_beats", "vectors"),
    *("position", "working", "next_take", "busy_until", "drained", "complete", "begun"),
    *("moved", "bursts", "sent", "beats", "residuals", "residual_at", "beats_left", "ready", "waiting"),
    *("stores", "row_beats", "produced", "wrote", "watched"),
)
"""The first eight are settings: bursts in flight, beats that may wait, output lanes, groups and raw beats of a vector,
bytes of a beat, beats of a PARAM, and vectors that are read ahead. `busy_until`: the last group moves; `drained`:
output processing is empty; `complete`: the answer to the last burst was heard. `beats_left`: of the burst that is
being written; `waiting`: beats of residuals that were asked for and not used."""
IDLE, PARAM, WRITING = range(3)
"""What the unit works at."""
CHUNK = 8
"""Beats that are written before others have their turn."""
RECENT = 64
"""Bursts and stores whose cycles are kept."""


@step
def store_begins(s: Any, writes: Any, reads: Any, entries: Any, queue: Any, e: Events, closed: Any) -> int:
    """Begin the next instruction, if it is known when; whether one was begun.

    Parameters
    ----------
    writes, reads:
        `CUTTER` of what is written, and of residuals.
    closed: int64 [RECENT]
        When the stores before were complete.
    """
    if s.working != IDLE or s.position >= e.shown[STORE]:
        return 0
    i = entries[queue[s.position]]
    if e.left[STORE] == s.position:
        take(e, STORE, max(e.offered[STORE, s.position], s.next_take))
    at = e.taken[STORE, s.position] + 1
    if i.pop_prev:
        at = max(at, can_pop(e, C2S))
    if i.push_prev:
        at = max(at, can_reserve(e, S2C))
    if at >= UNKNOWN:
        return 0
    if i.pop_prev:
        pop(e, C2S, at)
    if i.push_prev:
        e.counts[RESERVED, S2C] += 1
    at += 1
    if i.kind == STORES:
        at = max(at, s.busy_until + 1)
        if i.with_residual:
            at = max(at, s.complete)
        if i.is_raw:
            at = max(at, s.drained)
        if s.stores >= OPEN:
            at = max(at, closed[(s.stores - OPEN) % RECENT])
        begin_block(writes, i.addr, i.row_bytes, i.rows, i.pitch)
        if i.with_residual:
            begin_block(reads, i.residual_addr, i.row_bytes, i.rows, i.pitch)
        s.moved, s.residuals, s.beats_left, s.bursts = at + 2, 0, 0, 0
        s.waiting = 0
        reads.rows_left = i.rows if i.with_residual else 0
        s.residual_at = at + 4
        s.working = WRITING
        s.begun = at
        s.next_take = at + 1
        return 1
    if i.kind == PARAMS:
        s.begun = max(at, s.complete)
        s.working = PARAM
        return 1
    if i.kind == POSTS:
        at = max(at, s.drained)
    if i.push_prev:
        at = max(at, s.complete)
        push(e, S2C, at + 1)
    s.next_take = at + 1
    s.position += 1
    return 1


@step
def asks_residual(s: Any, reads: Any) -> int:
    """Whether there is room for the next burst of residuals."""
    return 1 if (reads.rows_left and s.beats_left == 0 and s.waiting + next_burst(reads) <= s.depth) else 0


@step
def store_at(
    s: Any,
    c: Any,
    bus: Any,
    writes: Any,
    reads: Any,
    entries: Any,
    queue: Any,
    kernels: Any,
    starts: Any,
    stops: Any,
    comes: Any,
    moves: Any,
    answers: Any,
) -> int:
    """When the unit next uses the bus.

    Parameters
    ----------
    kernels, starts, stops:
        Instructions of the compute unit, see `front.compute`.
    moves: int64 [RECENT]
        When the last groups of this STORE's bursts moved.
    answers: int64 [limit]
        When the answers to bursts in flight are heard.
    """
    if s.working == IDLE:
        return UNKNOWN
    if s.working == PARAM:
        asks: int = max(s.begun + 5, bus.requested + 1)
        return asks
    i = entries[queue[s.position]]
    if asks_residual(s, reads):
        at: int = max(s.residual_at + 1, bus.requested + 1)
        if s.bursts and s.waiting + next_burst(reads) + s.row_beats > s.depth:
            at = max(at, s.moved + 3)
        return at
    if s.beats_left == 0:
        beats = next_burst(writes)
        row = i.row_bytes
        per_vector = s.raw_groups if i.is_raw else s.groups
        groups = beats * s.beat_bytes * per_vector * i.cols // row
        ahead = writes.last - writes.first + 1
        if ahead == beats:
            first = (writes.row % s.beat_bytes) if writes.first == writes.row // s.beat_bytes else 0
            tail = (writes.row + row) % s.beat_bytes
            lost = first + (s.beat_bytes - tail if tail else 0)
            groups = (beats * s.beat_bytes - lost) * per_vector * i.cols // row
        spare = s.vectors * per_vector
        moved = s.moved
        if i.with_residual:
            moved = max(moved, comes[s.bursts % RECENT] + 2)
        moved, s.watched = passes(c, entries, kernels, starts, stops, s.watched, moved, groups, spare)
        if i.with_residual:
            moved = max(moved, comes[s.bursts % RECENT] + beats_time(bus, beats) + 2)
        s.produced = moved
        asked = moved + (4 if i.is_raw else LATENCY + 3)
        if s.wrote >= s.limit:
            asked = max(asked, answers[s.wrote % s.limit])
        s.ready = asked + 5
        s.row_beats = beats
    sends: int = max(s.ready, s.sent)
    return sends


@step
def store_uses_bus(
    s: Any,
    bus: Any,
    writes: Any,
    reads: Any,
    entries: Any,
    queue: Any,
    e: Events,
    comes: Any,
    moves: Any,
    answers: Any,
    closed: Any,
    at: int,
) -> None:
    """Ask for a burst of parameters or of residuals, or write some beats. `comes`: when residuals begin to
    come."""
    i = entries[queue[s.position]]
    if s.working == PARAM:
        start = read_starts(bus, at, s.param_beats)
        end = start + beats_time(bus, s.param_beats - 1)
        bus.read_free = end + 1
        s.next_take = end + 1
        if i.push_prev:
            push(e, S2C, end + 1)
        s.working = IDLE
        s.position += 1
        return
    if asks_residual(s, reads):
        beats = next_burst(reads)
        start = read_starts(bus, at, beats)
        end = start + beats_time(bus, beats - 1)
        bus.read_free = end + 1
        comes[s.residuals % RECENT] = start
        pass_burst(reads, beats)
        s.residual_at = at
        s.residuals += 1
        s.waiting += beats
        return
    if s.beats_left == 0:
        s.beats_left = s.row_beats
        moves[s.bursts % RECENT] = s.produced
        s.moved = s.produced
        s.waiting -= s.row_beats
        s.drained = s.produced + LATENCY + 1
    beats = min(s.beats_left, CHUNK)
    s.sent = write_ends(bus, at, beats)
    s.beats_left -= beats
    if s.beats_left:
        return
    answers[s.wrote % s.limit] = s.sent + bus.latency + 2
    s.wrote += 1
    s.bursts += 1
    pass_burst(writes, s.row_beats)
    # Groups wait once as many beats wait as there is room for.
    s.moved = max(s.moved, s.sent - s.depth)
    if writes.rows_left == 0:
        s.busy_until = s.moved
        s.complete = s.sent + bus.latency + 2
        closed[s.stores % RECENT] = s.complete
        s.stores += 1
        if i.push_prev:
            push(e, S2C, s.complete)
        s.working = IDLE
        s.position += 1
