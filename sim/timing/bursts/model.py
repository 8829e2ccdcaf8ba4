"""The units side by side, each going on where the bus lets it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.hw.array import latency as array_latency
from dovetail.hw.store_vectors import entries as vector_entries
from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import Queue

from .. import fetch as fetch_unit
from .. import store as store_unit
from ..compiled import Registers, cleared, step
from ..compute import stages
from ..encode import Encoded
from . import bus, cutter, front, load, store
from .events import UNKNOWN, Events, events


@step
def follow(
    f: Any,
    c: Any,
    u: Any,
    s: Any,
    b: Any,
    cut: Any,
    writes: Any,
    reads: Any,
    entries: Any,
    queues: Any,
    e: Events,
    words: Any,
    recent: Any,
    bursts: Any,
) -> int:
    """Follow all units to the end; the cycle in which all is done, or -1 if that never comes.

    Parameters
    ----------
    words: int64 [4, instructions]
        When words come and are popped, and when the compute unit begins and ends instructions.
    recent: int64 [5, RECENT]
        See `load` and `store`.
    bursts: int64 [3, bursts in flight]
        When bursts of instructions and of loads end, and when the answers to those of stores are heard.
    """
    arrivals, pops, starts, stops = words[0], words[1], words[2], words[3]
    walks, requests, residuals, moves, closed = recent[0], recent[1], recent[2], recent[3], recent[4]
    fetches, flights, answers = bursts[0], bursts[1], bursts[2]
    lq, cq, sq = queues[0], queues[1], queues[2]
    while True:
        while (
            front.dispatch(f, entries, e, arrivals, pops)
            + front.compute(c, entries, cq, e, starts, stops)
            + load.load_begins(u, cut, entries, lq, e, walks)
            + store.store_begins(s, writes, reads, entries, sq, e, closed)
        ):
            pass
        loaded, stored = u.position, s.position
        fetch_at = front.fetch_at(f, fetches, pops)
        load_at = load.load_at(u, b, requests, flights)
        store_at = store.store_at(s, c, b, writes, reads, entries, sq, cq, starts, stops, residuals, moves, answers)
        if min(fetch_at, load_at, store_at) == UNKNOWN:
            break
        # Until a unit is done with an instruction, or words come, nothing else can begin.
        while u.position == loaded and s.position == stored and fetch_at > min(load_at, store_at):
            if load_at <= store_at:
                load.load_burst(u, b, cut, entries, lq, e, requests, flights, load_at)
            else:
                store.store_uses_bus(s, b, writes, reads, entries, sq, e, residuals, moves, answers, closed, store_at)
                store_at = store.store_at(
                    s, c, b, writes, reads, entries, sq, cq, starts, stops, residuals, moves, answers
                )
            load_at = load.load_at(u, b, requests, flights)
        if u.position == loaded and s.position == stored:
            front.fetch_burst(f, b, fetches, arrivals, fetch_at)
    waits = f.dispatched < f.words or c.position < e.shown[1] or u.position < e.shown[0] or s.position < e.shown[2]
    if waits:
        return -1
    cycle: int = max(f.finished, c.settled, u.written + 2, s.complete, s.next_take) - 1
    return cycle


def estimate(encoded: Encoded, config: Config, *, latency: int, bytes_per_cycle: int, address: int) -> int:
    """The cycle in which a program is done, or -1 if it never is; the parameters are those of `TimingSimulator`."""
    entries = encoded.entries
    count = len(entries)
    beats_per_word = INSTRUCTION_BITS // config.bus_bits
    burst_words = fetch_unit.burst_beats(beats_per_word, config.burst_beats) // beats_per_word
    read_stage, write_stage = stages(array_latency(config))
    beat_bytes = config.bus_bytes

    def blocks() -> Any:
        return _record(cutter.CUTTER, beat_bytes=beat_bytes, burst_beats=config.burst_beats)

    return follow(
        _record(
            front.FETCH,
            words=count,
            beats_per_word=beats_per_word,
            capacity=fetch_unit.capacity(beats_per_word) // beats_per_word,
            burst_words=burst_words,
            first_burst=burst_words - address // (INSTRUCTION_BITS // 8) % burst_words,
            limit=config.max_bursts,
            depth=config.queue_depth,
            last=-1,
        ),
        _record(front.COMPUTE, read_stage=read_stage, write_stage=write_stage),
        _record(load.LOADER, limit=config.max_bursts, fills_depth=config.max_bursts + 2, moved=-2),
        _record(
            store.STORER,
            limit=config.max_bursts,
            depth=store_unit.waiting_beats(config.burst_beats),
            lanes=config.out_lanes,
            groups=config.batch * config.block_out // config.out_lanes,
            raw_groups=config.acc_bytes // beat_bytes,
            beat_bytes=beat_bytes,
            vectors=vector_entries(config),
            param_beats=store_unit.param_beats(config.block_out, beat_bytes),
        ),
        _record(bus.BUS, latency=latency, rate=bytes_per_cycle, beat_bytes=beat_bytes),
        blocks(),
        blocks(),
        blocks(),
        entries,
        encoded.queues,
        events(count, len(Queue), config.token_depth),
        np.zeros((4, count), np.int64),
        np.zeros((5, store.RECENT), np.int64),
        np.zeros((3, config.max_bursts), np.int64),
    )


def _record(kind: np.dtype[Any], **values: int) -> Any:
    """A record with these values, and 0 elsewhere."""
    record: Registers = cleared(kind)
    for name, value in values.items():
        record[name] = value
    return record[0]
