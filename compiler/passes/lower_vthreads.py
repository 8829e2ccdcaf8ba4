"""Lower virtual threads to one stream of statements, in which the threads take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from dovetail.compiler.tir.expr import Const, Expr, Load, Range, Var
from dovetail.compiler.tir.stmt import (
    Allocate,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Pop,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import Node, free_vars, renewed, substitute, transform, walk
from dovetail.isa.instructions import Unit


def lower_vthreads(program: Program) -> Program:
    """Replace each loop over virtual threads by its threads' statements, one after the other in turn.

    Buffers allocated inside get an axis for the thread in front, their tokens queues of their own. A turn is all that
    one unit does without another's in between: were it less, a unit would wait for the tokens of all threads before it
    works for the first. Loops and conditions that all threads share stay, with the turns inside.

    Raises
    ------
    ValueError:
        The number of threads is symbolic.
    """

    def change(node: Node) -> Node | None:
        if isinstance(node, For) and node.kind is LoopKind.VTHREAD:
            if not isinstance(node.extent, Const):
                raise ValueError(f"virtual threads {node.var.name}: their number must be constant, not {node.extent}")
            return _Threads(node.var, int(node.extent.value)).lower(node.body)
        return None

    return transform(program, change)


class _Threads:
    def __init__(self, var: Var, count: int) -> None:
        self.var, self.count = var, count

    def lower(self, body: Stmt) -> Stmt:
        own = {node.buffer: _many(node.buffer, self.count) for node in walk(body) if isinstance(node, Allocate)}
        lowered = self._interleaved(_without_allocations(body), own)
        for buffer in reversed(own.values()):
            lowered = Allocate(buffer, lowered)
        return lowered

    def _interleaved(self, stmt: Stmt, own: Mapping[Buffer, Buffer]) -> Stmt:
        match stmt:
            case Seq():
                turns = _turns(stmt.body)
                if len(turns) > 1:
                    return seq(*(self._interleaved(turn, own) for turn in turns))
            case For() if self.var not in free_vars(stmt.extent) and _unit(stmt) is None:
                return replace(stmt, body=self._interleaved(stmt.body, own))
            case If() if self._decides_alike(stmt.condition) and _unit(stmt) is None:
                orelse = None if stmt.orelse is None else self._interleaved(stmt.orelse, own)
                return replace(stmt, then=self._interleaved(stmt.then, own), orelse=orelse)
        return seq(*(self._of(stmt, thread, own) for thread in range(self.count)))

    def _decides_alike(self, condition: Expr) -> bool:
        """All threads take the same branch."""
        return self.var not in free_vars(condition) and not any(isinstance(node, Load) for node in walk(condition))

    def _of(self, stmt: Stmt, thread: int, own: Mapping[Buffer, Buffer]) -> Stmt:
        number = Const(thread)

        def change(node: Node) -> Node | None:
            match node:
                case Region() if node.buffer in own:
                    return Region(own[node.buffer], (Range(number, Const(1)), *node.ranges))
                case Operand() if node.region.buffer in many:
                    return Operand(node.region, tuple(None if axis is None else axis + 1 for axis in node.axes))
                case Load() if node.buffer in own:
                    return Load(own[node.buffer], (number, *node.indices))
                case Store() if node.buffer in own:
                    return Store(own[node.buffer], (number, *node.indices), node.value)
                case Push() | Pop():
                    return replace(node, queue=(*node.queue, thread))
            return None

        many = set(own.values())
        values: dict[Var, Expr] = {self.var: number}
        done = transform(substitute(stmt, values), change)
        return done if thread == 0 else renewed(done)


def _many(buffer: Buffer, count: int) -> Buffer:
    return replace(buffer, shape=(Const(count), *buffer.shape))


def _without_allocations(stmt: Stmt) -> Stmt:
    return transform(stmt, lambda node: node.body if isinstance(node, Allocate) else None)


def _turns(body: Sequence[Stmt]) -> list[Stmt]:
    """Neighbours that one unit executes as one statement; all others as they are."""
    turns: list[Stmt] = []
    for unit, group in groupby(body, _unit):
        members = tuple(group)
        turns += members if unit is None else (seq(*members),)
    return turns


def _unit(stmt: Stmt) -> Unit | None:
    """The unit that does all of `stmt`, if it is one."""
    units: set[Unit | None] = set()
    for node in walk(stmt):
        match node:
            case Copy(unit=unit) | Invoke(unit=unit) | Push(unit=unit) | Pop(unit=unit):
                units.add(unit)
            case Store():
                units.add(None)
    return units.pop() if len(units) == 1 else None
