"""When each tensor of a graph is in which memory, and where it lies there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dovetail.isa.config import AXI_BOUNDARY_BYTES

from .graph import Graph, Node, Value
from .memory import Block, place
from .ops.layout import OnAccelerator
from .ops.movement import Reshape

HOST_ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


@dataclass(frozen=True)
class Segment:
    """Nodes that follow one another in one place.

    Attributes
    ----------
    first:
        Number of the first node in the graph.
    """

    on_accelerator: bool
    first: int
    nodes: tuple[Node, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.nodes) - 1


def segments(graph: Graph) -> tuple[Segment, ...]:
    """The graph's nodes in runs on the accelerator and on the CPU."""
    found, at = [], 0
    for on_accelerator, run in groupby(graph.nodes, key=lambda node: isinstance(node.op, OnAccelerator)):
        nodes = tuple(run)
        found.append(Segment(on_accelerator, at, nodes))
        at += len(nodes)
    return tuple(found)


@dataclass(frozen=True)
class Arenas:
    """Where tensors lie.

    Attributes
    ----------
    host, dram:
        Byte offsets of values in the host's arena, and addresses in DRAM; constants are not in them.
    host_bytes, dram_bytes:
        The ends of what is planned.
    uploads, downloads:
        Values that are copied to DRAM before a segment, and from it behind one, by the number of its first node.
    """

    host: Mapping[Value, int]
    dram: Mapping[Value, int]
    host_bytes: int
    dram_bytes: int
    uploads: Mapping[int, Sequence[Value]]
    downloads: Mapping[int, Sequence[Value]]


def storage(graph: Graph) -> dict[Value, Value]:
    """For each value the one whose memory it has: on the CPU a reshaped tensor is the tensor itself."""
    roots: dict[Value, Value] = {value: value for value in (*graph.inputs, *graph.constants)}
    for node in graph.nodes:
        roots[node.output] = roots[node.inputs[0]] if isinstance(node.op, Reshape) else node.output
    return roots


def plan_arenas(graph: Graph) -> Arenas:
    """Addresses such that tensors that are needed at the same time do not overlap.

    Inputs keep their places for the whole run, so that it can be repeated; outputs keep theirs from when they are
    computed. In the host's arena offsets are multiples of `HOST_ALIGNMENT`; in DRAM of what no burst crosses, from
    there on: byte 0 is nobody's.
    """
    return _Planner(graph).plan()


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.roots = storage(graph)
        self.end = len(graph.nodes)
        self.host: dict[Value, tuple[int, int]] = {}
        self.dram: dict[Value, tuple[int, int]] = {}

    def plan(self) -> Arenas:
        runs = segments(self.graph)
        home = {node.output: run for run in runs for node in run.nodes}
        uploads: dict[int, list[Value]] = {run.first: [] for run in runs}
        downloads: dict[int, list[Value]] = {run.first: [] for run in runs}
        for value in self.graph.inputs:
            self._use(self.host, value, -1, self.end)
        for run in runs:
            for step, node in enumerate(run.nodes, start=run.first):
                self._use(self.dram if run.on_accelerator else self.host, node.output, step)
                for root in (self.roots[value] for value in node.inputs):
                    if root in self.graph.constants:
                        continue
                    source = home.get(root)
                    made_there = source is not None and source.on_accelerator
                    if run.on_accelerator:
                        if not made_there and root not in self.dram:
                            uploads[run.first].append(root)
                            self._use(self.host, root, run.first)
                            self._use(self.dram, root, run.first)
                        self._use(self.dram, root, step)
                    else:
                        if made_there and root not in self.host:
                            assert source is not None
                            downloads[source.first].append(root)
                            self._use(self.dram, root, source.last)
                            self._use(self.host, root, source.last)
                        self._use(self.host, root, step)
        for value in self.graph.outputs:
            self._use(self.host, value, self.end)
        host, host_bytes = _placed(self.host, HOST_ALIGNMENT)
        dram, dram_bytes = _placed(self.dram, AXI_BOUNDARY_BYTES)
        moved = {value: at + AXI_BOUNDARY_BYTES for value, at in dram.items()}
        return Arenas(host, moved, host_bytes, dram_bytes + AXI_BOUNDARY_BYTES, uploads, downloads)

    def _use(self, where: dict[Value, tuple[int, int]], value: Value, *steps: int) -> None:
        root = self.roots[value]
        if root in self.graph.constants:
            return
        first, last = where.get(root, (min(steps), max(steps)))
        where[root] = min((first, *steps)), max((last, *steps))


def _placed(lives: Mapping[Value, tuple[int, int]], align: int) -> tuple[dict[Value, int], int]:
    offsets, end = place([Block(value.type.nbytes, first, last) for value, (first, last) in lives.items()], align)
    return dict(zip(lives, offsets, strict=True)), end
