"""Programs for the accelerator's units before any pass: random trees of loops, and the ones that tests print."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.passes.insert_tokens import insert_tokens
from dovetail.compiler.passes.lower_vthreads import lower_vthreads
from dovetail.compiler.passes.ring_buffers import ring_buffers
from dovetail.compiler.tir.expr import Const, Expr, Range, Var, as_expr, minimum
from dovetail.compiler.tir.stmt import (
    GLOBAL,
    Allocate,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Primitive,
    Program,
    Region,
    Stmt,
    seq,
)
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER
from dovetail.isa.instructions import Unit

SIZE = 2
"""Elements of each buffer on the chip."""
MAX_DEPTH = 3


def compute(name: str, output: Buffer, *inputs: Buffer) -> Invoke:
    """Something that the compute unit does with whole buffers."""
    primitive = Primitive(name, Unit.COMPUTE, lambda outputs, inputs: None)
    return Invoke(primitive, (operand(output),), tuple(map(operand, inputs)))


def whole(buffer: Buffer) -> Region:
    return Region(buffer, tuple(Range(Const(0), extent) for extent in buffer.shape))


def one(place: Expr) -> Range:
    """A single element along an axis."""
    return Range(place, Const(1))


def allocate(buffers: list[Buffer], body: Stmt) -> Stmt:
    """`body` with `buffers`, the first outermost."""
    for buffer in reversed(buffers):
        body = Allocate(buffer, body)
    return body


def operand(buffer: Buffer) -> Operand:
    """All of a buffer of one or two axes, as the hardware's vectors."""
    return Operand(whole(buffer), (None,) * (2 - len(buffer.shape)) + tuple(range(len(buffer.shape))))


def on_chip(name: str, *shape: int, copies: int = 1, scope: str = INP_BUFFER) -> Buffer:
    dtype = "int32" if scope == ACC_BUFFER else "int8"
    return Buffer(name, tuple(map(Const, shape)), dtype, scope, copies)


def with_tokens(program: Program) -> Program:
    """`program` after all passes on units."""
    return lower_vthreads(insert_tokens(ring_buffers(assign_units(program))))


@dataclass
class _Grower:
    """Grows a tree of loops. In each body buffers are filled first, then used, and sums stored last."""

    draw: st.DrawFn
    source: Buffer
    target: Buffer
    prefix: str
    allocated: list[Buffer] = field(default_factory=list)
    stored: int = 0

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def at(self, loops: list[Var], offset: int) -> Expr:
        """A place that differs in each iteration of `loops`."""
        place: Expr = as_expr(offset)
        for var in loops:
            place = place + var * (SIZE * 4 ** (loops.index(var) + 1))
        return place

    def buffer(self, scope: str, most: int) -> Buffer:
        name = f"{self.prefix}{'acc' if scope == ACC_BUFFER else 'inp'}{len(self.allocated)}"
        made = on_chip(name, SIZE, copies=self.number(1, most), scope=scope)
        self.allocated.append(made)
        return made

    def load(self, into: Buffer, loops: list[Var]) -> Stmt:
        source = Range(self.at(loops, 0), Const(SIZE))
        if self.draw(st.booleans()):
            return Copy(whole(into), Region(self.source, (source,)))
        part = Var("part")
        dst = Region(into, (one(part),))
        return For(part, Const(SIZE), Copy(dst, Region(self.source, (one(source.begin + part),))))

    def store(self, acc: Buffer, loops: list[Var]) -> Stmt:
        begin = self.at(loops, self.stored)
        self.stored += SIZE * 4 ** (MAX_DEPTH + 2)
        return Copy(Region(self.target, (Range(begin, Const(SIZE)),)), whole(acc))

    def body(self, depth: int, loops: list[Var], inputs: list[Buffer], acc: Buffer | None) -> Stmt:
        own = [self.buffer(INP_BUFFER, 3) for _ in range(self.number(0, 2))]
        before = [self.load(buffer, loops) for buffer in own]
        known = inputs + own
        after: list[Stmt] = []
        if acc is None and (depth == 0 or self.draw(st.booleans())):
            acc = self.buffer(ACC_BUFFER, 2)
            before.append(self.load(acc, loops) if self.draw(st.booleans()) else compute("fill", acc))
            after.append(self.store(acc, loops))
        inner: list[Stmt] = []
        for _ in range(self.number(1, 2)):
            if depth:
                inner.append(self.loop(depth - 1, loops, known, acc))
            elif acc is not None:
                inner.append(self.work(acc, known))
        if acc is not None:
            for _ in range(self.number(0, 2)):
                extra = self.store(acc, loops) if self.number(0, 2) == 0 else self.work(acc, known)
                inner.insert(self.number(0, len(inner)), extra)
        return seq(*before, *(self.perhaps(stmt, loops) for stmt in inner), *after)

    def perhaps(self, stmt: Stmt, loops: list[Var]) -> Stmt:
        """`stmt`, or something in its place in some iterations only."""
        if not loops or self.number(0, 4):
            return stmt
        condition = self.draw(st.sampled_from(loops)) < self.number(0, 2)
        return If(condition, stmt)

    def work(self, acc: Buffer, known: list[Buffer]) -> Stmt:
        used = self.draw(st.lists(st.sampled_from(known), unique=True, max_size=2)) if known else []
        return compute("gemm", acc, *used)

    def loop(self, depth: int, loops: list[Var], inputs: list[Buffer], acc: Buffer | None) -> Stmt:
        var = Var(f"i{len(loops)}")
        extent: Expr = Const(self.number(1, 4))
        if loops and self.number(0, 3) == 0:
            extent = minimum(2, self.number(1, 3) - loops[-1])
        return For(var, extent, self.body(depth, [*loops, var], inputs, acc))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs of one or two trees of loops, of which the second reads what the first has written; with virtual threads
    or without; once, or several times over the same elements."""
    size = Const(1 << 20)
    first, between, last = (Buffer(name, (size,), "int8", GLOBAL) for name in ("A", "B", "C"))
    parts: list[Stmt] = []
    pairs = [(first, between), (between, last)] if draw(st.booleans()) else [(first, last)]
    for place, (source, target) in enumerate(pairs):
        grower = _Grower(draw, source, target, "pq"[place])
        threads = draw(st.integers(1, 3))
        thread = Var("thread")
        loops = [thread] if threads > 1 else []
        tree = grower.body(draw(st.integers(0, MAX_DEPTH - 1)), loops, [], None)
        tree = allocate(grower.allocated, tree)
        parts.append(For(thread, Const(threads), tree, LoopKind.VTHREAD) if threads > 1 else tree)
    body = seq(*parts)
    times = draw(st.integers(1, 3))
    return Program("random", (first, between, last), For(Var("time"), Const(times), body) if times > 1 else body)
