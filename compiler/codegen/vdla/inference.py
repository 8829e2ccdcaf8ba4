"""Which layout each buffer has: operands of primitives decide, copies carry it from one side to the other."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.tir.stmt import GLOBAL, Allocate, Buffer, Copy, Invoke, Program, Region
from dovetail.compiler.tir.structure import walk
from dovetail.isa import instructions as machine
from dovetail.isa.config import Config

from .errors import CodegenError
from .layouts import Lane, Lanes, Layout, lanes
from .linear import Linear, linear
from .primitives import LANE_NAMES, SCOPES, lane_sizes, memory_operands

AxisPairs = tuple[tuple[int, int], ...]
"""Axes of two regions that are the same: (of the first, of the second), ascending in both."""

_DTYPES = {machine.Buffer.INP: "int8", machine.Buffer.WGT: "int8", machine.Buffer.ACC: "int32"}


@dataclass(frozen=True)
class _Use:
    lanes: Lanes
    where: str


def same_axes(one: Region, other: Region) -> AxisPairs:
    """Which axes of the regions of a copy are the same.

    Those of other extents than 1 are, in order; those of extent 1 between them as far as both have some, from the last.
    """
    mine, theirs = _long(one), _long(other)
    if len(mine) != len(theirs):
        raise CodegenError(
            f"copy between {one.buffer.name} and {other.buffer.name}: regions of {len(mine)} and {len(theirs)} axes "
            f"longer than 1; they must have the same"
        )
    pairs: list[tuple[int, int]] = []
    ends = [*zip(mine, theirs, strict=True), (len(one.ranges), len(other.ranges))]
    begin = (0, 0)
    for end in ends:
        free = min(end[0] - begin[0], end[1] - begin[1])
        pairs.extend((end[0] - back, end[1] - back) for back in range(free, 0, -1))
        pairs.append(end)
        begin = (end[0] + 1, end[1] + 1)
    return tuple(pairs[:-1])


def _long(region: Region) -> list[int]:
    return [axis for axis, part in enumerate(region.ranges) if linear(part.extent) != Linear(1)]


@dataclass(frozen=True)
class Placed:
    """A buffer's memory (None is DRAM) and layout."""

    memory: machine.Buffer | None
    layout: Layout


def infer_layouts(program: Program, config: Config) -> dict[Buffer, Placed]:
    """Memory and layout of every buffer of `program` that instructions move or compute.

    Raises
    ------
    CodegenError:
        Two uses of a buffer need different layouts.
    """
    inference = _Inference(config)
    copies: list[Copy] = []
    for node in walk(program):
        if isinstance(node, Invoke):
            inference.use(node)
        elif isinstance(node, Copy):
            copies.append(node)
        elif isinstance(node, Allocate):
            inference.buffers.setdefault(node.buffer)
    for param in program.params:
        inference.buffers.setdefault(param)
    inference.carry(copies)
    for copy in copies:
        for region in (copy.dst, copy.src):
            if region.buffer.scope != GLOBAL and region.buffer not in inference.uses:
                inference.default(region.buffer)
                inference.carry(copies)
    return inference.result()


class _Inference:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.buffers: dict[Buffer, None] = {}
        self.uses: dict[Buffer, _Use] = {}
        self.memories: dict[Buffer, tuple[machine.Buffer, str]] = {}

    def use(self, invoke: Invoke) -> None:
        for operand, memory in memory_operands(invoke):
            buffer, name = operand.region.buffer, invoke.primitive.name
            self.buffers.setdefault(buffer)
            if buffer.scope != GLOBAL:
                self._require_memory(buffer, memory, f"{name} reads or writes it as {memory.name.lower()} entries")
            names = LANE_NAMES[memory]
            what = f"{name} takes axes {operand.axes} as {names[0]} and {names[1]}"
            self._require(buffer, lanes(lane_sizes(self.config, memory), operand.axes), what)

    def default(self, buffer: Buffer) -> None:
        """A layout for a buffer that is only copied: any will do."""
        if buffer.scope not in SCOPES:
            raise CodegenError(f"{buffer.name} is in scope {buffer.scope!r}; the machine has {', '.join(SCOPES)}")
        memory, rank = SCOPES[buffer.scope], len(buffer.shape)
        sizes = lane_sizes(self.config, memory)
        axes = (rank - 2 if rank > 1 else None, rank - 1 if rank else None)
        self._require_memory(buffer, memory, f"its scope is {buffer.scope}")
        self._require(buffer, lanes(sizes, axes), f"its scope is {buffer.scope}")

    def carry(self, copies: list[Copy]) -> None:
        changed = True
        while changed:
            known = len(self.uses)
            for copy in copies:
                pairs = same_axes(copy.dst, copy.src)
                self._across(copy.dst, copy.src, dict(pairs), "from")
                self._across(copy.src, copy.dst, {src: dst for dst, src in pairs}, "to")
            changed = len(self.uses) > known

    def _across(self, known: Region, other: Region, axes: dict[int, int], word: str) -> None:
        self.buffers.setdefault(known.buffer)
        use = self.uses.get(known.buffer)
        if use is None:
            return
        moved = tuple(Lane(None if lane.axis is None else axes.get(lane.axis), lane.size) for lane in use.lanes)
        verb = "is copied to" if word == "from" else "is copied from"
        self._require(other.buffer, moved, f"it {verb} {known.buffer.name} ({use.where})")

    def _require(self, buffer: Buffer, wanted: Lanes, where: str) -> None:
        use = self.uses.setdefault(buffer, _Use(wanted, where))
        if use.lanes == wanted:
            return
        one, other = next((a, b) for a, b in zip(use.lanes, wanted, strict=True) if a != b)
        raise CodegenError(
            f"{buffer.name}: one use needs entries of {one}, another of {other}: {use.where}; {where}. "
            f"Give it as two tensors, or cache it through a copy of its own for one of them"
        )

    def _require_memory(self, buffer: Buffer, memory: machine.Buffer, where: str) -> None:
        first, before = self.memories.setdefault(buffer, (memory, where))
        if first is not memory:
            raise CodegenError(f"{buffer.name} cannot be in two memories: {before}; {where}")
        if buffer.dtype != _DTYPES[memory]:
            raise CodegenError(
                f"{buffer.name} is {buffer.dtype}; {memory.name.lower()} entries are {_DTYPES[memory]} ({where})"
            )

    def result(self) -> dict[Buffer, Placed]:
        placed: dict[Buffer, Placed] = {}
        for buffer in self.buffers:
            use = self.uses.get(buffer)
            try:
                shape = buffer.extents
            except ValueError as error:
                raise CodegenError(f"{error}; a program for the accelerator needs sizes in numbers") from None
            memory = self.memories[buffer][0] if buffer in self.memories else None
            if memory is None and buffer.scope != GLOBAL:
                continue
            placed[buffer] = Placed(memory, Layout(shape, buffer.dtype, use.lanes if use else ()))
        return placed
