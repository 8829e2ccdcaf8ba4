"""Cycles in which nothing but the array and the memory's clock goes on: they are passed in one step."""

from __future__ import annotations

from typing import Any

from .compiled import step
from .compute import compute_skip, slots_left
from .memory import ANSWER_TIME, DEPTH, READ_TIME
from .store import LATENCY

NEVER = 1 << 40
MARGIN = 4
"""Cycles before an event that are stepped in any case."""


@step
def fifo_rests(fifo: Any) -> int:
    """Nothing moves within it."""
    return 1 if (fifo.inner == 0 or fifo.out) else 0


@step
def empty(fifo: Any) -> int:
    """Nothing is in it."""
    return 1 if (fifo.inner == 0 and fifo.out == 0) else 0


@step
def splitter_rests(s: Any) -> int:
    """It has nothing to cut, or waits for its taker."""
    return 0 if ((s.cut_valid and s.spare == 0) or (s.rows_valid and s.cut_valid == 0)) else 1


@step
def bus_rests(mem: Any, rp: Any, wp: Any, owed: Any, rreq: Any, wreq: Any) -> int:
    """No request, no data and no answer is under way between the machine and the memory."""
    moves = mem.r_valid or mem.b_valid or mem.writes != mem.writes_done or rp.valid or wp.aw_valid or wp.w_valid
    waits = rreq.out or rreq.spare or wreq.out or wreq.spare
    return 0 if (moves or waits or wp.done or not empty(owed)) else 1


@step
def fetch_rests(f: Any, words: Any) -> int:
    """It waits for memory, for room or for a unit's queue."""
    if f.request or (f.sized and f.has_room) or not fifo_rests(words):
        return 0
    if f.sized != (f.remaining != 0) or f.has_room != (f.room >= f.burst_beats):
        return 0
    if words.out == 0:
        return 0 if (f.seen or f.checked) else 1
    return 1 if (f.held and f.seen and f.checked) else 0


@step
def load_rests(u: Any, fills: Any, beats: Any, split: Any) -> int:
    """It waits for data, or for an instruction."""
    if u.prepared_valid or u.push or u.ends or u.writes or u.written or u.asks_acc or u.fill_ready:
        return 0
    if not fifo_rests(fills) or not empty(beats) or not splitter_rests(split):
        return 0
    if u.out == 0:
        return 0 if (u.spare or u.padding or u.fetching or u.noting or fills.out) else 1
    if u.out_fetches == 0:
        return 0
    if u.padding or u.fetching or u.noting:
        return 1 if u.spare else 0
    return 0 if fills.out else 1


@step
def store_rests(s: Any, now: int, wbeat: Any, rbeat: Any, res_skid: Any, rsplit: Any, wsplit: Any) -> int:
    """It waits for a token, for data or for an answer; whether an instruction begins is not asked here."""
    if s.arriving or s.whole or s.beat_valid or s.done or s.leaves or s.request or s.pipeline_busy:
        return 0
    if now - s.last_entered <= LATENCY + MARGIN or (s.walking and s.full < s.entries):
        return 0
    if not empty(wbeat) or not fifo_rests(rbeat) or (rbeat.out and res_skid.spare == 0):
        return 0
    return 1 if (splitter_rests(rsplit) and splitter_rests(wsplit)) else 0


@step
def skip(mem: Any, in_flight: Any, c: Any, plan: Any, entries: Any, now: int) -> int:
    """Let time pass up to shortly before the next event; returns how many cycles, or `NEVER` if there is none."""
    if now <= c.pushes_until:
        return 0
    cycles: int = NEVER
    if c.active:
        cycles = slots_left(c, entries)
    elif c.settles:
        return 0
    if mem.reads != mem.reads_done:
        cycles = min(cycles, in_flight[READ_TIME, mem.reads_done % DEPTH] - mem.now)
    if mem.answers != mem.answers_done:
        cycles = min(cycles, in_flight[ANSWER_TIME, mem.answers_done % DEPTH] - mem.now)
    if cycles == NEVER:
        return NEVER
    cycles -= c.write_stage + MARGIN
    if cycles < c.write_stage + MARGIN:
        return 0
    mem.now += cycles
    mem.budget = min(mem.budget + cycles * mem.rate, mem.rate + mem.beat_bytes)
    plan[:] = 0
    if c.active:
        compute_skip(c, entries, cycles)
    return cycles
