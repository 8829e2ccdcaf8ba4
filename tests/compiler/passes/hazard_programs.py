"""Random programs in which units use buffers in any order: in loops within loops, conditionally, of any extent."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from dovetail.compiler.tir.expr import Const, Expr, Range, Var, equal, maximum, minimum
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
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.isa.instructions import Unit

MAX_DEPTH = 3
EXTENT = 3
MOST = 2


def invoke(name: str, unit: Unit, outputs: list[Region], inputs: list[Region]) -> Invoke:
    """Something that `unit` does with whole regions."""
    primitive = Primitive(name, unit, lambda outputs, inputs: None)
    first, second = (tuple(Operand(region, (None, 0)) for region in group) for group in (outputs, inputs))
    return Invoke(primitive, first, second)


def element(buffer: Buffer, index: Expr | int = 0) -> Region:
    return Region(buffer, (Range(Const(index) if isinstance(index, int) else index, Const(1)),))


@dataclass
class _Grower:
    """Grows statements. `thread` is where in DRAM this virtual thread's elements are."""

    random: Random
    dram: tuple[Buffer, Buffer, Buffer]
    thread: Expr
    made: list[Buffer] = field(default_factory=list)
    variables: int = 0

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def buffer(self, most: int) -> Buffer:
        made = Buffer(f"X{len(self.made)}", (Const(1),), "int32", ACC_BUFFER, self.number(1, most))
        self.made.append(made)
        return made

    def use(self, known: list[Buffer]) -> Stmt:
        """One unit uses one of the buffers on the chip, or two of them, or one of those in DRAM."""
        source, shared, target = (element(buffer, self.thread) for buffer in self.dram)
        one, other = (element(self.random.choice(known)) for _ in range(2))
        uses = [
            Copy(one, source),
            Copy(one, shared),
            Copy(target, one),
            Copy(shared, one),
            invoke("add", Unit.COMPUTE, [one], []),
            invoke("fill", Unit.COMPUTE, [one], []),
            invoke("gemm", Unit.COMPUTE, [one], [other]),
            invoke("requantise", Unit.STORE, [target], [one, shared]),
        ]
        return self.random.choice(uses)

    def condition(self, loops: list[Var]) -> Expr:
        if not loops:
            return Const(self.random.random() < 0.5, "bool")
        return equal(self.random.choice(loops) % 2, self.number(0, 1))

    def extent(self, loops: list[Var]) -> Expr:
        if not loops or self.number(0, 2):
            return Const(self.number(1, EXTENT))
        return maximum(0, minimum(2, self.number(0, EXTENT) - self.random.choice(loops)))

    def statement(self, depth: int, loops: list[Var], known: list[Buffer]) -> Stmt:
        kind = self.number(0, 4) if depth else 0
        if kind < 2 and known:
            return self.use(known)
        if kind == 2:
            orelse = self.body(depth - 1, loops, known) if self.number(0, 3) == 0 else None
            return If(self.condition(loops), self.body(depth - 1, loops, known), orelse)
        var = Var(f"i{self.variables}")
        self.variables += 1
        return For(var, self.extent(loops), self.body(max(depth - 1, 0), [*loops, var], known))

    def body(self, depth: int, loops: list[Var], known: list[Buffer]) -> Stmt:
        """Of a loop or condition: buffers that are filled anew here may have several copies."""
        few = not known or (len(self.made) < MOST and self.number(0, 2) == 0)
        own = [self.buffer(3)] if few else []
        inner = [self.statement(depth, loops, known + own) for _ in range(self.number(1, 3))]
        return seq(*map(self.fill, own), *inner)

    def fill(self, buffer: Buffer) -> Stmt:
        """All of `buffer` is written, so that what it held does not matter."""
        if self.random.random() < 0.5:
            return Copy(element(buffer), element(self.dram[0], self.thread))
        return invoke("fill", Unit.COMPUTE, [element(buffer)], [])


def hazards(random: Random) -> Program:
    """A program whose units use the same few buffers on the chip, and one in DRAM; with virtual threads or without."""
    threads = random.randint(1, 2)
    dram = tuple(Buffer(name, (Const(threads),), "int32", GLOBAL) for name in ("A", "D", "C"))
    thread = Var("thread")
    grower = _Grower(random, (dram[0], dram[1], dram[2]), thread)
    lasting = [grower.buffer(1) for _ in range(random.randint(0, 1))]
    body = seq(*map(grower.fill, lasting), grower.body(random.randint(1, MAX_DEPTH), [], lasting))
    for buffer in grower.made:
        body = Allocate(buffer, body)
    kind = LoopKind.VTHREAD if threads > 1 else LoopKind.SERIAL
    return Program("random", dram, For(thread, Const(threads), body, kind))
