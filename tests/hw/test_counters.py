"""The counters count every event, whoever's turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.hw.counters import COUNTERS, Counters

BITS = 6
SETTLED = COUNTERS + 3
"""Cycles after which all events have been added, and each number was shown since."""
NONE, CLEAR = 0, -1
EVENTS = st.integers(NONE, (1 << COUNTERS) - 1)
ALL = (1 << COUNTERS) - 1


def show(cycles: Sequence[int]) -> list[tuple[int, int]]:
    """What is shown after each of the cycles, of events or `CLEAR`: an index, and its number."""
    counters = Counters(BITS)
    shown = []

    async def bench(ctx: Any) -> None:
        for events in cycles:
            ctx.set(counters.events, ALL if events == CLEAR else events)
            ctx.set(counters.clear, events == CLEAR)
            await ctx.tick()
            shown.append((ctx.get(counters.index), ctx.get(counters.value)))

    simulator = Simulator(counters)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return shown


def count(cycles: Sequence[int]) -> list[int]:
    """What the counters show in the end, of events a cycle or `CLEAR`."""
    last = dict(show([*cycles, *[NONE] * 2 * SETTLED]))
    return [last[number] for number in range(COUNTERS)]


def expected(cycles: Sequence[int]) -> list[int]:
    begin = max((place + 1 for place, events in enumerate(cycles) if events == CLEAR), default=0)
    return [min((1 << BITS) - 1, sum(events >> number & 1 for events in cycles[begin:])) for number in range(COUNTERS)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(EVENTS, st.just(ALL), st.just(NONE), st.just(CLEAR)), max_size=3 * COUNTERS))
def test_every_event_is_counted_once(cycles: list[int]) -> None:
    assert count(cycles) == expected(cycles)


def test_counters_stay_at_their_greatest_number() -> None:
    cycles = [ALL] * 61 + [0b1] * 2 + [0b11] * 40
    assert count(cycles) == expected(cycles) == [63, 63, *[61] * (COUNTERS - 2)]
    assert count([*cycles, CLEAR, 0b1]) == [1, *[0] * (COUNTERS - 1)]


def test_once_cleared_no_number_is_shown_as_it_was() -> None:
    for busy in range(2 * COUNTERS):
        shown = show([*[ALL] * busy, CLEAR, *[NONE] * SETTLED])
        assert not any(number for _, number in shown[busy:])
