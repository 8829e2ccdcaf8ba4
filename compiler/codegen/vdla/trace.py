"""Executes the loops of a program with concrete numbers and emits what they come to.

Fetch has no control flow, so every instruction is written out. Statements become functions once, which then run as
often as the loops say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import (
    GLOBAL,
    Allocate,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Pop,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
)
from dovetail.compiler.tir.structure import writes
from dovetail.isa import instructions as machine
from dovetail.isa.config import Config
from dovetail.isa.instructions import QUEUE_BETWEEN, Format, Unit

from .boxes import Box, plan
from .compute import Compute
from .dma import check_padding, loads, stores
from .errors import CodegenError
from .fills import Fills
from .fission import distributed
from .inference import Placed, same_axes
from .linear import evaluator, linear
from .memory import OnChip
from .nests import Nest, compile_nest, outer_sum
from .output import Output, OutputPlan, ParamTables
from .primitives import Requantise, kind_of
from .stream import Node, Stream, Token

Action = Callable[[], None]
_LOOPS = (LoopKind.SERIAL, LoopKind.UNROLLED, LoopKind.PARALLEL)


class Tracer:
    """Emits the instructions of one program.

    Parameters
    ----------
    placed, on_chip, dram:
        Layouts; first entries; byte addresses of buffers in DRAM.
    fill:
        Gives the byte address of entries that hold a padding value, by the memory that they are for and that value.

    Raises
    ------
    CodegenError:
        A statement is nothing that the machine does.
    """

    def __init__(
        self,
        program: Program,
        config: Config,
        placed: Mapping[Buffer, Placed],
        on_chip: OnChip,
        dram: Mapping[Buffer, int],
        tables: ParamTables,
        fill: Callable[[machine.Buffer, int], int],
    ) -> None:
        self.program, self.config = program, config
        self.placed, self.on_chip, self.dram, self.fill = placed, on_chip, dram, fill
        self.stream = Stream()
        self.fills = Fills(config.acc_depth)
        self.compute = Compute(config, self.fills)
        self.output = Output(config, tables)
        self.clean = frozenset(program.params) - frozenset(writes(program))
        self.values: dict[Var, int] = {}
        self.users: dict[Buffer, dict[Unit, Node]] = defaultdict(dict)
        self.start = self._action(program.body)

    def run(self) -> Stream:
        """The instructions of the program and its tokens, in order."""
        self.start()
        needless = self.fills.needless()
        self.stream.items = [item for item in self.stream.items if item not in needless]
        self.stream.edges = [edge for edge in self.stream.edges if edge[0] not in needless and edge[1] not in needless]
        return self.stream

    def _action(self, stmt: Stmt) -> Action:
        match stmt:
            case Seq(body=body):
                actions = [self._action(child) for child in body]
                return lambda: _all(actions)
            case Allocate():
                return self._action(stmt.body)
            case For():
                return self._nest(stmt) or self._loop(stmt)
            case Invoke():
                if isinstance(kind_of(stmt), Requantise):
                    return self._requantise(stmt)
                nest = compile_nest([], stmt, self.placed, self.on_chip)
                assert nest is not None
                return self._operation(nest)
            case Copy():
                return self._copy(stmt)
            case If():
                condition, then = evaluator(stmt.condition), self._action(stmt.then)
                orelse = self._action(stmt.orelse) if stmt.orelse else lambda: None
                return lambda: then() if condition(self.values) else orelse()
            case Push() | Pop():
                return self._token(stmt)
        raise CodegenError(f"no instruction does this: {' '.join(str(stmt).split())[:200]}")

    def _loop(self, loop: For) -> Action:
        if loop.kind not in _LOOPS:
            raise CodegenError(
                f"loop {loop.var.name} is {loop.kind.value}; the machine runs one stream of instructions"
            )
        extent, body, var = linear(loop.extent), self._action(loop.body), loop.var

        def run() -> None:
            for value in range(extent(self.values)):
                self.values[var] = value
                body()

        return run

    def _nest(self, loop: For) -> Action | None:
        fission = distributed(loop, self.placed, self.on_chip)
        if fission is None:
            return None
        operations = [self._operation(nest) for nest in fission.nests]
        if len(operations) == 1:
            return operations[0]
        together = self._loop(loop)
        return lambda: _all(operations) if fission.allowed(self.values) else together()

    def _operation(self, nest: Nest) -> Action:
        operands = [*nest.invoke.outputs, *nest.invoke.inputs]
        buffers = [operand.region.buffer for operand in operands]

        def run() -> None:
            for node in self.compute.nodes(nest, self.values):
                self._emit(node, buffers)

        return run

    def _copy(self, copy: Copy) -> Action:
        chip_is_dst = copy.dst.buffer.scope != GLOBAL
        chip, dram = (copy.dst, copy.src) if chip_is_dst else (copy.src, copy.dst)
        if (chip.buffer.scope == GLOBAL) or (dram.buffer.scope != GLOBAL):
            raise CodegenError(
                f"copy from {copy.src.buffer.name} to {copy.dst.buffer.name}: one must be in DRAM, one on the chip"
            )
        if chip.buffer.dtype != dram.buffer.dtype:
            raise CodegenError(
                f"copy from {copy.src.buffer.name} to {copy.dst.buffer.name}: {copy.src.buffer.dtype} to "
                f"{copy.dst.buffer.dtype}, which no transfer does; clip to its range first"
            )
        memory = self.placed[chip.buffer].memory
        assert memory is not None
        if not chip_is_dst and memory is not machine.Buffer.ACC:
            raise CodegenError(
                f"{chip.buffer.name}: only accumulators can be stored, not {memory.name.lower()} entries"
            )
        pairs = same_axes(chip, dram)
        near, far = self._box(chip), self._box(dram)
        padding = check_padding(copy.padding) if chip_is_dst else 0

        def load() -> None:
            ours, theirs = near(), far()
            transfer = plan(ours, theirs, pairs, loading=True)
            for fields in loads(
                transfer, memory, theirs.base, padding, lambda: self.fill(memory, padding), self.config
            ):
                node = Node(machine.Load, Unit.LOAD, fields)
                if memory is machine.Buffer.ACC:
                    self.fills.overwrite(_loaded(node))
                self._emit(node, [chip.buffer])

        def store() -> None:
            ours, theirs = near(), far()
            for fields in stores(plan(ours, theirs, pairs, loading=False), Format.RAW, theirs.base, self.config):
                node = Node(machine.Store, Unit.STORE, {**fields, "format": Format.RAW})
                self.fills.read(_stored(node))
                self._emit(node, [chip.buffer])

        return load if chip_is_dst else store

    def _requantise(self, invoke: Invoke) -> Action:
        kind = kind_of(invoke)
        assert isinstance(kind, Requantise)
        named = dict(zip(kind.inputs, invoke.inputs, strict=True))
        out, acc = invoke.outputs[0], named["acc"]
        constants = dict(kind.constants)
        source = tuple(
            (name, named[name].region.buffer if name in named else constants[name])
            for name in ("bias", "multiplier", "shift")
        )
        self.output.tables.add(source, self.program.params, self.config.block_out)
        residual = named.get("residual")
        prepared = OutputPlan(
            kind,
            source,
            same_axes(acc.region, out.region),
            same_axes(acc.region, residual.region) if residual else (),
            out.axes[1],
        )
        out_box, acc_box = self._box(out.region), self._box(acc.region)
        residual_box = self._box(residual.region) if residual else None
        begins = {linear(named[name].region.ranges[0].begin) for name, _ in source if name in named}
        if len(begins) > 1:
            raise CodegenError(f"{invoke.primitive.name}: bias, multiplier and shift begin at different channels")
        channel = begins.pop() if begins else linear(out.region.ranges[0].begin).times(0)

        def run() -> None:
            added = residual_box() if residual_box else None
            boxes = out_box(), acc_box(), added
            for node, stores_sums in self.output.nodes(prepared, *boxes, channel(self.values)):
                if stores_sums:
                    self.fills.read(_stored(node))
                    self._emit(node, [acc.region.buffer])
                else:
                    self._emit_early(node)

        return run

    def _box(self, region: Region) -> Callable[[], Box]:
        """A function that gives the region with the variables' values."""
        buffer = region.buffer
        layout = self.placed[buffer].layout
        base = self.dram[buffer] if buffer.scope == GLOBAL else self.on_chip.first[buffer]
        begins = [linear(part.begin) for part in region.ranges]
        extents = [linear(part.extent) for part in region.ranges]
        steps = tuple(part.step for part in region.ranges)
        clean, values = buffer in self.clean, self.values

        def box() -> Box:
            begin, extent = tuple(f(values) for f in begins), tuple(f(values) for f in extents)
            return Box(buffer.name, layout, base, begin, extent, steps, clean)

        return box

    def _emit(self, node: Node, buffers: Iterable[Buffer]) -> None:
        """Append an instruction that uses `buffers` on the chip, after all that used their entries for others."""
        for buffer in buffers:
            for rival in self.on_chip.rivals[buffer]:
                for unit, user in self.users.pop(rival, {}).items():
                    self._order(user, unit, node)
            self.users[buffer][node.unit] = node
        self.stream.items.append(node)

    def _order(self, first: Node, unit: Unit, then: Node) -> None:
        if unit is then.unit:
            return
        if (unit, then.unit) in QUEUE_BETWEEN:
            self.stream.edges.append((first, then))
            return
        hop = Node.sync(Unit.COMPUTE)
        self.stream.items.append(hop)
        self.stream.edges += [(first, hop), (hop, then)]

    def _emit_early(self, node: Node) -> None:
        """Append an instruction that needs no token that its unit is about to wait for."""
        at = len(self.stream.items)
        while at and _waits(self.stream.items[at - 1], node.unit):
            at -= 1
        self.stream.items.insert(at, node)

    def _token(self, stmt: Push | Pop) -> Action:
        push = isinstance(stmt, Push)
        ends = (stmt.unit, stmt.peer) if push else (stmt.peer, stmt.unit)
        if ends not in QUEUE_BETWEEN:
            raise CodegenError(f"no queue leads from {ends[0].name.lower()} to {ends[1].name.lower()}")
        token = Token(push, *ends, stmt.queue)
        return lambda: self.stream.items.append(token)


def _all(actions: Iterable[Action]) -> None:
    for action in actions:
        action()


def _waits(item: Node | Token, unit: Unit) -> bool:
    return isinstance(item, Token) and not item.push and item.taker is unit


def _loaded(node: Node) -> NDArray[np.int64]:
    """Entries that a LOAD fills."""
    fields = node.fields
    rows = fields.get("pad_top", 0) + fields["rows"] + fields.get("pad_bottom", 0)
    cols = fields.get("pad_left", 0) + fields["cols"] + fields.get("pad_right", 0)
    return np.arange(fields["sram"], fields["sram"] + rows * cols, dtype=np.int64)


def _stored(node: Node) -> NDArray[np.int64]:
    """Accumulators that a STORE reads."""
    fields = node.fields
    cols = np.arange(fields["sram"], fields["sram"] + fields["cols"], dtype=np.int64)
    rows = np.arange(fields["rows"], dtype=np.int64) * np.int64(fields["sram_stride"])
    return outer_sum([rows, cols])
