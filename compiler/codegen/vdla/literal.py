"""Tokens of the loop program as tokens of the physical queues, one for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field

from dovetail.isa.instructions import Unit

from .net import Flagged, Net, reduce
from .stream import Node, Stream

Ends = tuple[Unit, Unit]


@dataclass(eq=False)
class _Step:
    node: Node
    pops: list[Unit] = field(default_factory=list)
    pushes: list[Unit] = field(default_factory=list)


def literal_tokens(stream: Stream, depth: int) -> list[Flagged] | None:
    """The instructions of `stream` with just the tokens of the loop program, None where that cannot be.

    It can be if virtual queues that share a physical one pop in the order in which they push, no instruction needs two
    tokens of one queue, none but SYNCs at the start and the end are needed, and no queue overflows.
    """
    steps = _steps(stream)
    tokens = None if steps is None else _match(steps, stream)
    if steps is None or tokens is None:
        return None
    net = Net([step.node for step in steps], [{} for _ in steps])
    for pairs in tokens.values():
        for first, then in pairs:
            net.add(first, then)
    order = reduce(net)
    places = {step.node: place for place, step in enumerate(steps)}
    for one, other in stream.edges:
        if not order.before(places[one], one.unit, places[other]):
            return None
    for (_, taker), pairs in tokens.items():
        for (_, taking), (giving, _) in zip(pairs, pairs[depth:], strict=False):
            if not order.before(taking, taker, giving):
                return None
    return [(step.node, frozenset(step.pops), frozenset(step.pushes)) for step in steps]


def _steps(stream: Stream) -> list[_Step] | None:
    """Instructions, and the tokens that each takes and gives; SYNCs only before a unit's first and after its last."""
    steps: list[_Step] = []
    last: dict[Unit, _Step] = {}
    pending: dict[Unit, list[Unit]] = defaultdict(list)
    ended: set[Unit] = set()
    for item in stream.items:
        if isinstance(item, Node):
            pops = pending.pop(item.unit, [])
            if len(set(pops)) < len(pops) or item.unit in ended:
                return None
            last[item.unit] = _Step(item, pops)
            steps.append(last[item.unit])
        elif not item.push:
            pending[item.taker].append(item.giver)
        elif item.giver not in last:
            if pending[item.giver]:
                return None
            steps.append(_Step(Node.sync(item.giver), pushes=[item.taker]))
        elif pending[item.giver]:
            return None
        elif item.taker in last[item.giver].pushes:
            ended.add(item.giver)
            last[item.giver] = _Step(Node.sync(item.giver), pushes=[item.taker])
            steps.append(last[item.giver])
        else:
            last[item.giver].pushes.append(item.taker)
    steps.extend(_Step(Node.sync(unit), [giver]) for unit, givers in pending.items() for giver in givers)
    return steps


def _match(steps: list[_Step], stream: Stream) -> dict[Ends, list[tuple[int, int]]] | None:
    """For each queue who gives and who takes its tokens, if they are for each other in the loop program too."""
    names: dict[tuple[Ends, bool], list[Hashable]] = defaultdict(list)
    for item in stream.items:
        if not isinstance(item, Node):
            names[(item.giver, item.taker), item.push].append(item.queue)
    gives: dict[Ends, list[int]] = defaultdict(list)
    takes: dict[Ends, list[int]] = defaultdict(list)
    for place, step in enumerate(steps):
        for peer in step.pushes:
            gives[step.node.unit, peer].append(place)
        for peer in step.pops:
            takes[peer, step.node.unit].append(place)
    if any(names[ends, True] != names[ends, False] for ends in {ends for ends, _ in names}):
        return None
    return {ends: list(zip(given, takes[ends], strict=True)) for ends, given in gives.items()}
