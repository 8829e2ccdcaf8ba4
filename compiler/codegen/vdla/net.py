"""The dependences that tokens stand for: which instruction of one unit waits for which of another."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from dovetail.isa.instructions import Unit

from .errors import CodegenError
from .stream import Node, Stream

Clock = tuple[int, int, int]
"""For each unit, how many of its instructions are complete."""
UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
Flagged = tuple[Node, frozenset[Unit], frozenset[Unit]]
"""An instruction, the units whose tokens it takes, and those that it gives tokens to."""


@dataclass
class Net:
    """Instructions in program order, and for each the latest of each other unit that it waits for.

    Every dependence leads forward in program order, so no choice of tokens that keeps them can deadlock.
    """

    nodes: list[Node]
    waits: list[dict[Unit, int]]

    def add(self, first: int, then: int) -> None:
        """Have instruction `then` wait for `first`, of a neighbouring unit."""
        assert first < then
        unit = self.nodes[first].unit
        self.waits[then][unit] = max(first, self.waits[then].get(unit, first))


def resolve(stream: Stream) -> Net:
    """Match the pushes of each virtual queue with its pops.

    A push is by the last instruction of its unit before it, a pop by the next one after it; where a unit pops and then
    pushes with nothing between, a SYNC is put there. Tokens that were there from the start are no dependences.

    Raises
    ------
    CodegenError:
        A pop comes before its push, or a token is never taken.
    """
    net = Net([], [])
    last: dict[Unit, int] = {}
    pending: dict[Unit, list[int]] = {unit: [] for unit in UNITS}
    queues: dict[tuple[Unit, Unit, Hashable], deque[int | None]] = defaultdict(deque)
    places: dict[Node, int] = {}

    def append(node: Node) -> None:
        place = places[node] = last[node.unit] = len(net.nodes)
        net.nodes.append(node)
        net.waits.append({})
        for first in pending[node.unit]:
            net.add(first, place)
        pending[node.unit].clear()

    for item in stream.items:
        if isinstance(item, Node):
            append(item)
            continue
        key = (item.giver, item.taker, item.queue)
        if item.push:
            if pending[item.giver]:
                append(Node.sync(item.giver))
            queues[key].append(last.get(item.giver))
        elif not queues[key]:
            raise CodegenError(
                f"{item.taker.name.lower()} pops a token of {item.queue} before {item.giver.name.lower()} pushes it"
            )
        else:
            first = queues[key].popleft()
            if first is not None:
                pending[item.taker].append(first)
    for (giver, taker, queue), left in queues.items():
        if left:
            count = f"{len(left)} tokens of {queue}"
            raise CodegenError(f"{taker.name.lower()} never pops {count} that {giver.name.lower()} pushes")
    for one, other in stream.edges:
        net.add(places[one], places[other])
    return net


@dataclass(frozen=True)
class Order:
    """What is certain about the order of a net's instructions.

    Attributes
    ----------
    number:
        For each instruction, its place among those of its unit, from 1.
    clocks:
        For each instruction, what is complete when it starts.
    """

    number: list[int]
    clocks: list[Clock]

    def before(self, first: int, unit: Unit, then: int) -> bool:
        """Whether instruction `first`, of `unit`, is complete when `then` starts."""
        return self.number[first] <= self.clocks[then][unit]


def reduce(net: Net) -> Order:
    """Drop every dependence that others imply.

    What is left of the dependences between two units is in the same order on both sides, as the tokens of a queue are.
    """
    number: list[int] = []
    clocks: list[Clock] = []
    ends: list[Clock] = []
    done = {unit: (0, 0, 0) for unit in UNITS}
    counts = [0, 0, 0]
    for place, (node, waits) in enumerate(zip(net.nodes, net.waits, strict=True)):
        clock = done[node.unit]
        if waits:
            kept = _needed(waits, clock, number, ends)
            net.waits[place] = kept
            clock = _latest([clock, *(ends[first] for first in kept.values())])
        counts[node.unit] += 1
        number.append(counts[node.unit])
        clocks.append(clock)
        end = list(clock)
        end[node.unit] = counts[node.unit]
        done[node.unit] = (end[0], end[1], end[2])
        ends.append(done[node.unit])
    return Order(number, clocks)


def _needed(waits: dict[Unit, int], clock: Clock, number: Sequence[int], ends: Sequence[Clock]) -> dict[Unit, int]:
    kept = {unit: first for unit, first in waits.items() if number[first] > clock[unit]}
    for unit, first in list(kept.items()):
        if any(ends[other][unit] >= number[first] for peer, other in kept.items() if peer is not unit):
            del kept[unit]
    return kept


def _latest(clocks: Iterable[Clock]) -> Clock:
    loads, computes, stores = zip(*clocks, strict=True)
    return max(loads), max(computes), max(stores)
