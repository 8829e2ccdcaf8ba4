"""The memory's bus: when the beats of a burst come and go."""

from __future__ import annotations

from typing import Any

from ..compiled import registers, step

BUS = registers("latency", "rate", "beat_bytes", "requested", "read_free", "bytes_until")
"""The first three are settings: cycles, bytes a cycle, and bytes of a beat. `requested`: the last request's cycle;
`read_free`: the first in which another beat can be read; `bytes_until`: until when the memory is busy, in cycles
times bytes a cycle."""


@step
def beats_time(b: Any, beats: int) -> int:
    """Cycles between the first of so many beats and what comes after them."""
    if b.rate >= b.beat_bytes:
        return beats
    cycles: int = (beats * b.beat_bytes + b.rate - 1) // b.rate
    return cycles


@step
def busy_until(b: Any) -> int:
    """The first cycle in which the memory is free."""
    cycle: int = (b.bytes_until + b.rate - 1) // b.rate
    return cycle


@step
def read_starts(b: Any, at: int, beats: int) -> int:
    """A burst is requested; the cycle of its first beat."""
    b.requested = at
    start: int = max(at + b.latency + 1, b.read_free, busy_until(b))
    b.bytes_until = max(b.bytes_until, start * b.rate) + beats * b.beat_bytes
    return start


@step
def write_ends(b: Any, at: int, beats: int) -> int:
    """Beats are written from a cycle on, in turn with those that are read; the cycle after the last."""
    own = beats_time(b, beats)
    waits = busy_until(b) - at
    if b.rate >= 2 * b.beat_bytes:
        return at + own
    b.bytes_until = max(b.bytes_until, at * b.rate) + beats * b.beat_bytes
    return at + own + max(0, min(own, waits))
