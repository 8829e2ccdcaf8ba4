"""The load unit, burst by burst."""

from __future__ import annotations

from typing import Any

from dovetail.hw.load_writer import BEATS

from ..compiled import registers, step
from ..encode import LOADS
from .bus import beats_time, read_starts
from .cutter import begin_block, next_burst, pass_burst
from .events import RESERVED, UNKNOWN, Events, can_pop, can_reserve, pop, push, take
from .front import C2L, L2C, LOAD

LOADER = registers(
    *("limit", "fills_depth", "position", "working", "moved", "cut_free", "walks", "bursts", "cut"),
    *("asked", "written", "steps_left", "per_beat", "flight"),
)
"""The first two are settings. `moved`: when the last instruction went on to be cut; `cut_free`: when the one after it
may; `walks` and `bursts` count; `cut`: bursts of the instruction at work; `written`: the cycle of the last step that
writes, `steps_left`: of the row; `per_beat`:
steps in which a beat is written; `flight`: the place of the next burst among those in flight."""
RECENT = 16
"""Requests and walks whose cycles are kept."""


@step
def load_begins(u: Any, cutter: Any, entries: Any, queue: Any, e: Events, walks: Any) -> int:
    """Take the next instruction, if it is known when; whether one was taken."""
    if u.working or u.position >= e.shown[LOAD]:
        return 0
    i = entries[queue[u.position]]
    at = max(e.offered[LOAD, u.position], u.moved + 1)
    if i.pop_next:
        at = max(at, can_pop(e, C2L))
    if i.push_next:
        at = max(at, can_reserve(e, L2C))
    if at >= UNKNOWN:
        return 0
    take(e, LOAD, at)
    if i.pop_next:
        pop(e, C2L, at)
    if i.push_next:
        e.counts[RESERVED, L2C] += 1
    moved = max(at + 1, u.moved + 2)
    if i.kind == LOADS:
        moved = max(moved, u.cut_free)
    if u.walks >= u.fills_depth + 2:
        moved = max(moved, walks[(u.walks - u.fills_depth - 2) % RECENT] + 1)
    walk = moved + 3
    if u.walks:
        walk = max(walk, walks[(u.walks - 1) % RECENT] + 2, u.written - 2)
    walks[u.walks % RECENT] = walk
    u.walks += 1
    u.moved = moved
    u.written = max(u.written, walk + 1)
    if i.kind == LOADS:
        begin_block(cutter, i.addr, i.row_bytes, i.rows, i.pitch)
        u.written += i.head
        u.cut = 0
        u.steps_left = i.cols * i.lanes
        u.per_beat = max(1, cutter.beat_bytes * i.cols // i.row_bytes)
        u.working = 1
    else:
        u.written += 1
        ends(u, i, e)
    return 1


@step
def ends(u: Any, i: Any, e: Events) -> None:
    """All of an instruction is written."""
    if i.push_next:
        push(e, L2C, u.written + 3)
    u.position += 1
    u.working = 0


@step
def load_at(u: Any, bus: Any, requests: Any, flights: Any) -> int:
    """When the next burst is asked for."""
    if u.working == 0:
        return UNKNOWN
    at: int = max(u.moved + 3 + u.cut, u.asked + 1, bus.requested + 1)
    if u.bursts >= u.limit:
        at = max(at, flights[u.flight] + 1)
    return at


@step
def load_burst(
    u: Any, bus: Any, cutter: Any, entries: Any, queue: Any, e: Events, requests: Any, flights: Any, at: int
) -> None:
    """Ask for the next burst, and follow its beats into the buffer.

    Parameters
    ----------
    requests: int64 [RECENT]
        When bursts were asked for.
    flights: int64 [limit]
        When the last beats of those in flight come.
    """
    i = entries[queue[u.position]]
    if cutter.rows_left == 1 and cutter.first == cutter.row // cutter.beat_bytes:
        # The last row is cut once all but two of the bursts before it have been asked for.
        before = requests[(u.bursts - 3) % RECENT] + 1 if u.bursts >= 3 else 0
        u.cut_free = max(u.moved + 1 + u.cut, before) + 1
    beats = next_burst(cutter)
    start = read_starts(bus, at, beats)
    end = start + beats_time(bus, beats - 1)
    row_ends = pass_burst(cutter, beats)
    per_beat = u.per_beat
    steps = u.steps_left if row_ends else min(u.steps_left, beats * per_beat)
    u.steps_left -= steps
    u.written = max(u.written + steps, end + 2 + steps - (beats - 1) * per_beat - 1)
    accepted = max(end, u.written - BEATS * per_beat)
    bus.read_free = accepted + 1
    requests[u.bursts % RECENT] = at
    flights[u.flight] = accepted
    u.flight = 0 if u.flight == u.limit - 1 else u.flight + 1
    u.asked = at
    u.bursts += 1
    u.cut += 1
    if row_ends:
        if cutter.rows_left:
            u.written += i.gap
            u.steps_left = i.cols * i.lanes
        else:
            u.written += i.tail
            ends(u, i, e)
