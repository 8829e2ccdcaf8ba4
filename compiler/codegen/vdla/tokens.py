"""Virtual queues become the machine's four: every dependence kept, no queue ever too full."""

from __future__ import annotations

from collections import defaultdict

from dovetail.isa.instructions import QUEUE_BETWEEN, Sync, Unit

from .literal import literal_tokens
from .net import Flagged, Net, Order, reduce, resolve
from .stream import Stream


def assign_tokens(stream: Stream, token_depth: int) -> list[Flagged]:
    """The instructions of `stream` with tokens of the physical queues.

    Where the tokens of the loop program are in the order of a queue as they stand, they are kept one by one; otherwise
    the dependences that they mean are, with as few tokens as possible.
    """
    net = resolve(stream)
    as_written = literal_tokens(stream, token_depth)
    if as_written is not None:
        return as_written
    _drop_idle_syncs(net)
    order = reduce(net)
    while _bounded(net, order, token_depth):
        order = reduce(net)
    return _flags(net)


def _flags(net: Net) -> list[Flagged]:
    gives: list[set[Unit]] = [set() for _ in net.nodes]
    for node, waits in zip(net.nodes, net.waits, strict=True):
        for first in waits.values():
            gives[first].add(node.unit)
    return [
        (node, frozenset(waits), frozenset(given))
        for node, waits, given in zip(net.nodes, net.waits, gives, strict=True)
    ]


def _drop_idle_syncs(net: Net) -> None:
    """Remove SYNCs that wait for nothing or that nobody waits for; what they did, their neighbours in the unit do."""
    changed = True
    while changed:
        reduce(net)
        waited = {first for waits in net.waits for first in waits.values()}
        idle = {
            place
            for place, node in enumerate(net.nodes)
            if node.kind is Sync and (not net.waits[place] or place not in waited)
        }
        changed = bool(idle)
        if changed:
            _remove(net, idle)


def _remove(net: Net, idle: set[int]) -> None:
    before: list[int | None] = []
    last: dict[Unit, int] = {}
    for place, node in enumerate(net.nodes):
        before.append(last.get(node.unit))
        if place not in idle:
            last[node.unit] = place
    moved: dict[Unit, list[int]] = defaultdict(list)
    for place, node in enumerate(net.nodes):
        waits = net.waits[place]
        for unit, first in list(waits.items()):
            if first in idle:
                earlier = before[first]
                del waits[unit]
                if earlier is not None:
                    net.add(earlier, place)
        if place in idle:
            moved[node.unit] += waits.values()
        else:
            for first in moved.pop(node.unit, []):
                net.add(first, place)
    kept = [place for place in range(len(net.nodes)) if place not in idle]
    number = {place: new for new, place in enumerate(kept)}
    net.waits = [{unit: number[first] for unit, first in net.waits[place].items()} for place in kept]
    net.nodes = [net.nodes[place] for place in kept]


def _bounded(net: Net, order: Order, depth: int) -> bool:
    """Strengthen dependences until no queue can hold more than `depth` tokens; whether any had to be.

    A token may come later but never earlier than its push. So where the token `depth` before a push is taken only
    after it in the program, two neighbouring tokens become one that the earlier taker gets from the later giver;
    otherwise the push waits for that token to be taken.
    """
    changed = False
    for (giver, taker), tokens in _queues(net).items():
        kept: list[tuple[int, int]] = []
        for first, then in tokens:
            kept.append((first, then))
            while len(kept) > depth and kept[-1 - depth][1] > kept[-1][0]:
                (_, waiting), (later, dropped) = kept[-2:]
                kept[-2:] = [(later, waiting)]
                net.waits[waiting][giver] = later
                del net.waits[dropped][giver]
                changed = True
        for (_, taking), (giving, _) in zip(kept, kept[depth:], strict=False):
            if not order.before(taking, taker, giving):
                net.add(taking, giving)
                changed = True
    return changed


def _queues(net: Net) -> dict[tuple[Unit, Unit], list[tuple[int, int]]]:
    """For each queue its tokens: who gives and who takes each, in order."""
    tokens: dict[tuple[Unit, Unit], list[tuple[int, int]]] = {ends: [] for ends in QUEUE_BETWEEN}
    for then, waits in enumerate(net.waits):
        for unit, first in waits.items():
            tokens[unit, net.nodes[then].unit].append((first, then))
    return tokens
