"""The fetch unit, as `hw.fetch` has it: when instructions reach the units' queues."""

from __future__ import annotations

from typing import Any

from dovetail.hw.fetch import BUFFER_WORDS, BURST_WORDS

from .compiled import registers, step
from .fifo import fifo_step

FETCH = registers(
    *("beats_per_word", "burst_beats", "running", "address", "remaining", "room", "beats", "sized", "has_room"),
    *("request", "request_len", "upper", "seen", "checked", "held", "index", "finished"),
)
"""The first two are settings; `address` counts beats."""
NOWHERE = -1


@step
def offered_to(f: Any, entries: Any) -> int:
    """The unit that the instruction held is for, or `NOWHERE`."""
    return entries[f.index].unit if f.held and f.index < len(entries) - 1 else NOWHERE


@step
def fetch_step(f: Any, words: Any, entries: Any, beat: int, goes: int, taken: int) -> None:
    """A cycle in which a `beat` of the program comes, the instruction held `goes`, and the request is `taken`.

    Parameters
    ----------
    words:
        A `FIFO` of whole instructions.
    """
    complete = beat and (f.beats_per_word == 1 or f.upper)
    if beat:
        f.upper = 1 - f.upper
    pops = f.checked and f.held == 0

    asks = f.sized and f.has_room and f.request == 0
    to_boundary = f.burst_beats - f.address % f.burst_beats
    sized = f.running and f.remaining != 0 and not asks
    beats = min(f.remaining, to_boundary)
    has_room = f.room >= f.burst_beats
    if taken:
        f.request = 0
    asked = 0
    if asks:
        asked = f.beats
        f.request = 1
        f.request_len = asked - 1
        f.address += asked
        f.remaining -= asked
    f.sized, f.beats, f.has_room = sized, beats, has_room
    f.room += pops * f.beats_per_word - asked

    checked = f.seen and not pops
    f.seen = words.out and not pops
    if goes:
        f.held = 0
        f.index += 1
    elif f.held == 0:
        f.held = f.checked
    f.checked = checked
    if f.held and f.index == len(entries) - 1:
        f.finished = 1
    fifo_step(words, complete, pops)


def burst_beats(beats_per_word: int, limit: int) -> int:
    """Beats of a burst of instructions at most."""
    return min(BURST_WORDS * beats_per_word, limit)


def capacity(beats_per_word: int) -> int:
    """Beats that may be in flight or wait."""
    return BUFFER_WORDS * beats_per_word
