"""The token net against an exploration of every interleaving of small random nets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from hypothesis import event, given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.instructions import NEXT, PREVIOUS, QUEUE_BETWEEN, Instruction, Queue, Sync, Unit
from dovetail.isa.verify.errors import VerificationError
from dovetail.isa.verify.tokens import schedule

TINY = load_config("tiny")
UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)


@dataclass(frozen=True)
class State:
    fetched: int
    started: tuple[int, ...]
    ended: tuple[int, ...]


@dataclass
class Explored:
    """What some interleaving reaches."""

    stuck: bool = False
    left: bool = False
    most: int = 0
    together: frozenset[tuple[int, int]] = frozenset()


def explore(net: list[Instruction], depth: int | None) -> Explored:
    """Try every order of handing out (at most `depth` waiting in a unit), starting and ending instructions."""
    of_unit = [[i for i, instruction in enumerate(net) if instruction.unit is unit] for unit in UNITS]
    first = State(0 if depth else len(net), (0, 0, 0), (0, 0, 0))
    found, todo, seen = Explored(), [first], {first}
    together: set[tuple[int, int]] = set()

    def ready(index: int, tokens: dict[Queue, int]) -> bool:
        return all(tokens[queue] > 0 for queue in net[index].pops())

    while todo:
        state = todo.pop()
        tokens = dict.fromkeys(Queue, 0)
        for unit in UNITS:
            for i in of_unit[unit][: state.ended[unit]]:
                for queue in net[i].pushes():
                    tokens[queue] += 1
            for i in of_unit[unit][: state.started[unit]]:
                for queue in net[i].pops():
                    tokens[queue] -= 1
        found.most = max(found.most, *tokens.values())
        running = [of_unit[unit][state.ended[unit]] for unit in UNITS if state.started[unit] > state.ended[unit]]
        together |= {(a, b) for a, b in product(running, running) if a != b}
        steps = []
        if state.fetched < len(net):
            unit = net[state.fetched].unit
            handed = sum(i < state.fetched for i in of_unit[unit])
            if handed - state.started[unit] < (depth or len(net)):
                steps.append(replace(state, fetched=state.fetched + 1))
        for unit in UNITS:
            mine, started, ended = of_unit[unit], state.started[unit], state.ended[unit]
            if started > ended:
                steps.append(replace(state, ended=_bump(state.ended, unit)))
            elif started < len(mine) and mine[started] < state.fetched and ready(mine[started], tokens):
                steps.append(replace(state, started=_bump(state.started, unit)))
        if not steps:
            complete = sum(state.ended) == len(net)
            found.stuck |= not complete
            found.left |= complete and any(tokens.values())
        for step in steps:
            if step not in seen:
                seen.add(step)
                todo.append(step)
    found.together = frozenset(together)
    return found


def _bump(counts: tuple[int, ...], unit: Unit) -> tuple[int, ...]:
    return tuple(count + (at == unit) for at, count in enumerate(counts))


@st.composite
def nets(draw: st.DrawFn) -> list[Instruction]:
    """Instructions of random units; each queue mostly gets as many pushes as pops."""
    units = draw(st.lists(st.sampled_from(UNITS), min_size=2, max_size=9))
    flags: list[dict[str, bool]] = [{} for _ in units]
    for giver, taker in QUEUE_BETWEEN:
        givers = [i for i, unit in enumerate(units) if unit is giver]
        takers = [i for i, unit in enumerate(units) if unit is taker]
        count = draw(st.integers(0, min(len(givers), len(takers))))
        push = f"push_{'next' if NEXT[giver] is taker else 'prev'}"
        pop = f"pop_{'prev' if PREVIOUS[taker] is giver else 'next'}"
        for i in draw(st.permutations(givers))[:count]:
            flags[i][push] = True
        for i in draw(st.permutations(takers))[: count - (count > 0 and draw(st.integers(0, 9)) == 9)]:
            flags[i][pop] = True
    return [Sync(target=unit, **chosen) for unit, chosen in zip(units, flags, strict=True)]


@given(nets(), st.sampled_from([1, 2]), st.sampled_from([2, 4]))
@settings(max_examples=400, deadline=None)
def test_the_verdict_is_that_of_all_interleavings(net, token_depth, queue_depth):
    config = replace(TINY, token_depth=token_depth, queue_depth=queue_depth)
    try:
        result = schedule(net, config)
        verdict = "pass"
    except VerificationError as error:
        verdict = error.rule
    event(verdict)
    limited, free = explore(net, queue_depth), explore(net, None)
    expected = "pass"
    if limited.stuck:
        expected = "deadlock"
    elif limited.left:
        expected = "leftover"
    elif free.most > token_depth:
        expected = "overflow"
    assert verdict == expected
    if verdict == "pass":
        for a, b in product(range(len(net)), repeat=2):
            if net[a].unit is net[b].unit:
                continue
            ordered = (
                result.clocks[b][net[a].unit] >= result.number[a] or result.clocks[a][net[b].unit] >= result.number[b]
            )
            assert ordered == ((a, b) not in free.together)


def test_the_order_found_respects_the_tokens():
    net: list[Instruction] = [
        Sync(target=Unit.STORE, pop_prev=True),
        Sync(target=Unit.COMPUTE, pop_prev=True, push_next=True),
        Sync(target=Unit.LOAD, push_next=True),
    ]
    assert schedule(net, TINY).order == [2, 1, 0]
