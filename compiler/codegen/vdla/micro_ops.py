"""The micro-op buffer as a cache of kernels: which instruction finds its kernel where, and when kernels are loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Load, Unit, uop_fields

from .net import Net, Order, reduce, resolve
from .stream import Item, MicroOps, Node, Stream, Token

NEVER = -1
EARLY = 16
"""Kernels are loaded earlier than they are needed, with those before them, as long as they have so few micro-ops."""


@dataclass
class _Need:
    """A kernel that instruction `user` needs and that must be loaded for it.

    Attributes
    ----------
    after:
        The instruction that must be complete before, or `NEVER`.
    """

    user: int
    begin: int
    key: bytes
    after: int


@dataclass
class Kernels:
    """All different kernels of a program as they lie in DRAM.

    Attributes
    ----------
    first:
        For each, the number of micro-ops before it.
    """

    words: list[bytes] = field(default_factory=list)
    first: dict[bytes, int] = field(default_factory=dict)
    size: dict[bytes, int] = field(default_factory=dict)
    count: int = 0

    def add(self, micro_ops: MicroOps, config: Config) -> bytes:
        """The key of a kernel."""
        key = micro_ops.tobytes()
        if key not in self.first:
            self.first[key], self.size[key] = self.count, len(micro_ops)
            self.count += len(micro_ops)
            self.words.append(encode(micro_ops, config))
        return key

    @property
    def data(self) -> bytes:
        return b"".join(self.words)


def encode(micro_ops: MicroOps, config: Config) -> bytes:
    """Micro-ops as they lie in DRAM."""
    words, lsb = np.zeros(len(micro_ops), dtype=np.uint64), 0
    for column, width in enumerate(uop_fields(config).values()):
        words |= micro_ops[:, column].astype(np.uint64) << np.uint64(lsb)
        lsb += width
    return words.astype(f"<u{config.uop_bytes}").tobytes()


def place_kernels(stream: Stream, config: Config, dram: int) -> tuple[Stream, Kernels]:
    """Give the kernels of `stream` places in the micro-op buffer, and load them.

    If all fit, each is loaded once, before the data that its first user waits for anyway, so that it costs no token and
    the first need not wait for the others. Otherwise those used least recently make room.

    Parameters
    ----------
    dram:
        Byte address of the first micro-op.
    """
    net = resolve(stream)
    order = reduce(net)
    kernels = Kernels()
    needs = _needs(net, kernels, config)
    return _with_loads(stream, net, order, needs, kernels, config, dram), kernels


def _needs(net: Net, kernels: Kernels, config: Config) -> list[_Need]:
    users = [
        (place, node, kernels.add(node.micro_ops, config))
        for place, node in enumerate(net.nodes)
        if node.micro_ops is not None
    ]
    needs: list[_Need] = []
    resident: dict[bytes, int] = {}
    used = np.full(config.uop_depth, NEVER)
    all_fit = kernels.count <= config.uop_depth
    for place, node, key in users:
        size = kernels.size[key]
        if key not in resident:
            begin = kernels.first[key] if all_fit else _window(used, resident, kernels, size)
            needs.append(_Need(place, begin, key, int(used[begin : begin + size].max())))
            for old, at in () if all_fit else list(resident.items()):
                if at < begin + size and begin < at + kernels.size[old]:
                    del resident[old]
            resident[key] = begin
        begin = resident[key]
        used[begin : begin + size] = place
        first, count = node.part or (0, size)
        node.fields |= {"uop_begin": begin + first, "uop_count": count}
    return needs


def _window(used: NDArray[np.int64], resident: Mapping[bytes, int], kernels: Kernels, size: int) -> int:
    """Where to put a kernel of `size` so that what goes for it was used as long ago as possible."""
    ends = {at + kernels.size[key] for key, at in resident.items()}
    begins = [begin for begin in sorted({0, *ends}) if begin + size <= len(used)]
    return min(begins, key=lambda begin: int(used[begin : begin + size].max()))


def _with_loads(
    stream: Stream, net: Net, order: Order, needs: Sequence[_Need], kernels: Kernels, config: Config, dram: int
) -> Stream:
    item_of = {item: place for place, item in enumerate(stream.items) if isinstance(item, Node)}
    loaders = [place for place, node in enumerate(net.nodes) if node.unit is Unit.LOAD]
    before: dict[int, list[Node]] = defaultdict(list)
    edges = list(stream.edges)
    previous: Node | None = None
    for need in needs:
        user, freed = net.nodes[need.user], net.nodes[need.after] if need.after != NEVER else None
        waited = _waited(order, need.user, loaders)
        covering = waited is not None and waited > need.after
        node = _load(need, kernels, config, dram)
        if covering and waited is not None:
            anchor = item_of[net.nodes[waited]]
        elif freed is not None:
            anchor = item_of[freed] + 1
        else:
            anchor = 0
        while anchor and _pops(stream.items[anchor - 1]):
            anchor -= 1
        if freed is not None:
            anchor = max(anchor, item_of[freed] + 1)
            edges.append((freed, node))
        here = bool(before[anchor]) and before[anchor][-1] is previous
        if freed is None and previous is not None and _joined(previous, node, config, small=not here):
            node = previous
        else:
            before[anchor].append(node)
            previous = node if freed is None else None
        if not covering:
            edges.append((node, user))
    items: list[Item] = []
    for place, item in enumerate(stream.items):
        items += [*before.get(place, []), item]
    return Stream(items, edges)


def _waited(order: Order, user: int, loaders: Sequence[int]) -> int | None:
    """The last instruction of the load unit that is complete when `user` starts."""
    known = order.clocks[user][Unit.LOAD]
    return loaders[known - 1] if known else None


def _pops(item: Item) -> bool:
    return isinstance(item, Token) and not item.push and item.taker is Unit.LOAD


def _load(need: _Need, kernels: Kernels, config: Config, dram: int) -> Node:
    fields = {
        "buffer": Buffer.UOP,
        "sram": need.begin,
        "dram": dram + kernels.first[need.key] * config.uop_bytes,
        "rows": 1,
        "cols": kernels.size[need.key],
    }
    return Node(Load, Unit.LOAD, fields)


def _joined(one: Node, other: Node, config: Config, *, small: bool) -> bool:
    """Make `one` load what `other` does, if that lies behind it on both sides and both are `small` if they must be."""
    cols = one.fields["cols"]
    fits = cols + other.fields["cols"] <= (EARLY if small else Load.layout(config)["cols"].high)
    behind = other.fields["sram"] == one.fields["sram"] + cols
    behind = behind and other.fields["dram"] == one.fields["dram"] + cols * config.uop_bytes
    if fits and behind:
        one.fields["cols"] += other.fields["cols"]
        return True
    return False
