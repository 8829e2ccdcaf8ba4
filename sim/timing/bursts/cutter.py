"""Blocks in memory as bursts."""

from __future__ import annotations

from typing import Any

from ..compiled import registers, step

CUTTER = registers("beat_bytes", "burst_beats", "rows_left", "row", "row_bytes", "pitch", "first", "last")
"""The first two are settings. `rows_left` counts the row at work; `first` and `last` are the beats that are left of
it, by number in memory; `row` is its first byte."""


@step
def begin_block(c: Any, addr: int, row_bytes: int, rows: int, pitch: int) -> None:
    """A block is to be cut."""
    c.row, c.row_bytes, c.rows_left, c.pitch = addr, row_bytes, rows, pitch
    c.first = addr // c.beat_bytes
    c.last = (addr + row_bytes - 1) // c.beat_bytes


@step
def next_burst(c: Any) -> int:
    """Beats of the next burst."""
    beats: int = min(c.last - c.first + 1, c.burst_beats - c.first % c.burst_beats)
    return beats


@step
def pass_burst(c: Any, beats: int) -> int:
    """The burst is done with; whether it was the last of its row."""
    c.first += beats
    if c.first <= c.last:
        return 0
    c.rows_left -= 1
    c.row += c.pitch
    c.first = c.row // c.beat_bytes
    c.last = (c.row + c.row_bytes - 1) // c.beat_bytes
    return 1
