"""Features of any loop program, counted on its statements.

Searches score thousands of settings, and take features in closed form: `accelerator` has these same numbers without the
program, `cpu_counts` some of them and estimates for the others. Tests hold those that are to be equal against these.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod

import numpy as np

from dovetail.compiler.tir.dtypes import bits_of, lanes_of
from dovetail.compiler.tir.expr import Binary, Expr, Load, Math, Range, Select, Var
from dovetail.compiler.tir.stmt import (
    Allocate,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
)
from dovetail.compiler.tir.structure import Node, children, free_vars, walk
from dovetail.compiler.vdla.scopes import ON_CHIP

from ..space import Features
from .points import Points, Unknown, Whole
from .table import SCOPES, as_features

_LOOPS = {
    LoopKind.VTHREAD: "vthreads",
    LoopKind.PARALLEL: "parallel",
    LoopKind.THREAD: "parallel",
    LoopKind.UNROLLED: "unrolled",
    LoopKind.VECTORIZED: "lanes",
}
_ARITHMETIC = (Binary, Math, Select)


def ast_features(program: Program) -> Features:
    """The features of a program, in the order of `table.NAMES`.

    Of an accelerator's program it is to be one in which copies and tensor instructions are in place and virtual threads
    are still loops, as `dovetail.lower` gives it; of a CPU's, any that has constant sizes.
    """
    extractor = Extractor()
    extractor.visit(program.body, Points.one(), {})
    features: Features = as_features(extractor.finished(), 1)[0]
    return features


class Extractor:
    """Counts by name."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = defaultdict(float)
        self._buffers: set[Buffer] = set()

    def finished(self) -> dict[str, float]:
        """The counts of all that was visited."""
        touched = sum(_bytes(buffer) for buffer in self._buffers)
        return {**self.counts, "touched": float(touched)}

    def visit(self, stmt: Stmt, points: Points, loops: dict[str, int]) -> None:
        """Count what `stmt` does at some iterations of the loops around it.

        Parameters
        ----------
        loops:
            Iterations of the loops around it, by the count that they go into.
        """
        if not len(points):
            return
        leaf = _leaf(stmt)
        if leaf is not None:
            self._nest(stmt, leaf, points, loops)
            return
        match stmt:
            case For():
                self.visit(stmt.body, _inside(stmt, points), self._annotated(stmt, points, loops))
            case Seq():
                for part in stmt.body:
                    self.visit(part, points, loops)
            case If():
                for body, holds in ((stmt.then, True), (stmt.orelse, False)):
                    if body is not None:
                        self.visit(body, _where(stmt, points, holds), loops)
            case Allocate(buffer, body):
                self._allocate(buffer)
                self.visit(body, points, loops)
            case Copy():
                self._copy(stmt, points)

    def _annotated(self, loop: For, points: Points, loops: dict[str, int]) -> dict[str, int]:
        name = _LOOPS.get(loop.kind)
        if name is None:
            return loops
        loops = {**loops, name: loops.get(name, 1) * int(points.of(loop.extent).max())}
        self._most(name, loops[name])
        return loops

    def _allocate(self, buffer: Buffer) -> None:
        if buffer.scope in ON_CHIP:
            scope = _scope(buffer)
            self._most(f"{scope}.bytes", _bytes(buffer))
            self._most(f"{scope}.copies", buffer.copies)

    def _copy(self, copy: Copy, points: Points) -> None:
        if copy.dst.buffer.scope in ON_CHIP:
            kind, outside = f"load_{_scope(copy.dst.buffer)}", copy.src
        else:
            kind, outside = "store" if copy.src.buffer.scope in ON_CHIP else "plain", copy.dst
        size = bits_of(outside.buffer.dtype) // 8
        inside = [
            _inside_of(each, points, extent)
            for each, extent in zip(outside.ranges, outside.buffer.extents, strict=True)
        ]
        moved = prod(inside[1:], start=inside[0]) * size
        filled = size * prod((points.of(each.extent) for each in outside.ranges), start=np.int64(1))
        self._runs(kind, points, moved)
        rows = prod(inside[1:-1], start=inside[0]) if len(inside) > 1 else np.ones_like(moved)
        self._add(f"{kind}.rows", points, rows)
        self._add(f"{kind}.padding", points, filled - moved)

    def _nest(self, stmt: Stmt, leaf: Store | Invoke, outer: Points, loops: dict[str, int]) -> None:
        """A nest of loops around a single statement."""
        points, lengths = outer.tracked(), list[tuple[For, int]]()
        row = {var for index in leaf.indices[-1:] for var in free_vars(index)} if isinstance(leaf, Store) else set()
        rows = outer.tracked()
        while stmt is not leaf:
            match stmt:
                case For():
                    loops = self._annotated(stmt, points, loops)
                    lengths.append((stmt, int(points.of(stmt.extent).max(initial=0))))
                    rows = rows if stmt.var in row else _inside(stmt, rows)
                    points, stmt = _inside(stmt, points), stmt.body
                case If(then=then):
                    points, rows, stmt = _where(stmt, points, True), _where(stmt, rows, True), then
                case Allocate(buffer, body):
                    self._allocate(buffer)
                    stmt = body
        trips = _by_origin(points, outer)
        if isinstance(leaf, Invoke):
            self._invoke(leaf, outer, trips, lengths)
        else:
            self._store(leaf, outer, trips, _by_origin(rows, outer))

    def _invoke(self, leaf: Invoke, outer: Points, trips: Whole, lengths: list[tuple[For, int]]) -> None:
        kind = "tensor" if len(leaf.inputs) > 1 else "vector"
        self._runs(kind, outer, trips)
        if kind != "tensor":
            return
        outputs = {var for operand in leaf.outputs for var in _vars(operand.region)}
        kernel, inner = 1, 1
        for loop, length in reversed(lengths):
            if loop.var in outputs:
                inner = length
                break
            kernel *= length
        self._most("kernel", kernel)
        self._most("inner", inner)
        for operand in leaf.inputs:
            if operand.region.buffer.scope in ON_CHIP:
                read = _operand_bytes(operand, outer)
                self._add(f"{_scope(operand.region.buffer)}.read", outer, trips * read)

    def _store(self, leaf: Store, outer: Points, trips: Whole, rows: Whole) -> None:
        lanes = max((lanes_of(index.dtype) for index in leaf.indices), default=1)
        loads = [node for node in walk(leaf.value) if isinstance(node, Load)]
        brings = leaf.buffer.scope not in ON_CHIP and any(load.buffer.scope in ON_CHIP for load in loads)
        if brings:
            size = bits_of(leaf.buffer.dtype) // 8
            self._runs("store", outer, trips * size * lanes)
            self._add("store.rows", outer, rows)
            return
        self._runs("plain", outer, trips * lanes)
        self._most("lanes", lanes)
        self._buffers.update(load.buffer for load in loads)
        self._buffers.add(leaf.buffer)
        self._add("reads", outer, trips * lanes * len(loads))
        self._add("arithmetic", outer, trips * lanes * _operations(leaf.value))

    def _runs(self, kind: str, points: Points, each: Whole) -> None:
        """Runs of a kind of statement, one at each point, of `each` bytes or iterations."""
        self._add(f"{kind}.runs", points, np.ones_like(points.times))
        self._add(f"{kind}.points", points, each)
        self.counts.setdefault(f"{kind}.first", float(each[0]))
        self.counts[f"{kind}.last"] = float(each[-1])
        self._most(f"{kind}.most", int(each.max()))

    def _add(self, name: str, points: Points, each: Whole) -> None:
        self.counts[name] += float((each * points.times).sum())

    def _most(self, name: str, count: int) -> None:
        self.counts[name] = max(self.counts[name], float(count))


def _leaf(stmt: Stmt) -> Store | Invoke | None:
    """The single statement in a nest of loops and conditions, if it is one that computes."""
    while True:
        match stmt:
            case For(body=body) | Allocate(body=body):
                stmt = body
            case If(then=then, orelse=None):
                stmt = then
            case Store() | Invoke():
                return stmt
            case _:
                return None


def _inside(loop: For, points: Points) -> Points:
    extent = points.of(loop.extent)
    if any(loop.var in free_vars(expr) for expr in _deciding(loop.body)):
        return points.iterated(loop.var, extent)
    return points.repeated(extent)


def _deciding(stmt: Stmt) -> list[Expr]:
    """The expressions in `stmt` on which it depends how often something happens, or how much is copied."""
    found: list[Expr] = []
    for node in walk(stmt):
        match node:
            case For():
                found.append(node.extent)
            case If():
                found.append(node.condition)
            case Copy(dst, src):
                found += [part for region in (dst, src) for each in region.ranges for part in (each.begin, each.extent)]
    return found


def _where(stmt: If, points: Points, holds: bool) -> Points:
    """The points at which the condition holds, or does not; all where that depends on data."""
    try:
        return points.only(points.of(stmt.condition).astype(bool) == holds)
    except Unknown:
        return points


def _inside_of(each: Range, points: Points, extent: int) -> Whole:
    """How many elements of a range are inside of a buffer's axis."""
    begin, count = points.of(each.begin), points.of(each.extent)
    first = np.maximum(0, -(begin // each.step))
    last = np.minimum(count, (extent - 1 - begin) // each.step + 1)
    inside: Whole = np.maximum(0, last - first)
    return inside


def _by_origin(points: Points, outer: Points) -> Whole:
    found: Whole = np.bincount(points.origins, weights=points.times, minlength=len(outer)).astype(np.int64)
    return found


def _operand_bytes(operand: Operand, points: Points) -> int:
    region = operand.region
    extents = (int(points.of(each.extent).max()) for each in region.ranges)
    return prod(extents) * bits_of(region.buffer.dtype) // 8


def _operations(value: Node) -> int:
    """Operations on elements, without those of their indices."""
    if isinstance(value, Load):
        return 0
    return isinstance(value, _ARITHMETIC) + sum(map(_operations, children(value)))


def _vars(region: Region) -> set[Var]:
    return {var for each in region.ranges for var in free_vars(each.begin)}


def _scope(buffer: Buffer) -> str:
    return next(scope for scope in SCOPES if buffer.scope.startswith(scope))


def _bytes(buffer: Buffer) -> int:
    return prod(buffer.extents) * bits_of(buffer.dtype) // 8
