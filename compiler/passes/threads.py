"""Barriers among the threads of a group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from dovetail.compiler.errors import CompileError
from dovetail.compiler.tir.expr import Binary, Const, Expr, Load, Var
from dovetail.compiler.tir.stmt import (
    SHARED,
    THREADS_OF_GROUP,
    Allocate,
    Barrier,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import Rewriter, free_vars, reads, walk, writes


class BarrierError(CompileError):
    """Threads would need a barrier that not all of them reach."""


def insert_barriers(program: Program) -> Program:
    """`program` with a barrier wherever threads of a group use what others have put into `SHARED` memory.

    There is one between a write and a later read of the same buffer, between a read and a later write, and, where these
    are in different iterations of a loop, at the end of its body.

    Raises
    ------
    BarrierError:
        One of them would be within a condition or a loop that depends on the thread.
    """
    return dataclasses.replace(program, body=_Groups()(program.body))


class _Groups(Rewriter):
    def visit_for(self, loop: For) -> Stmt:
        if loop.kind is LoopKind.THREAD and loop.thread.startswith(THREADS_OF_GROUP):
            return _Group().part(loop).stmt
        return self.rebuild(loop)


@dataclasses.dataclass(frozen=True)
class _Accesses:
    read: frozenset[Buffer] = frozenset()
    written: frozenset[Buffer] = frozenset()

    def __or__(self, other: _Accesses) -> _Accesses:
        return _Accesses(self.read | other.read, self.written | other.written)

    def endangers(self, later: _Accesses) -> bool:
        """Whether another thread may do what is `later` too early: read before a write, or write before a read."""
        return bool(self.written & later.read or self.read & later.written)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A statement with its barriers, and what is accessed before the first of them and after the last.

    Attributes
    ----------
    barriers:
        It has some that are met whatever happens.
    """

    stmt: Stmt
    head: _Accesses = _Accesses()
    tail: _Accesses = _Accesses()
    barriers: bool = False


class _Group:
    """The statements of one group.

    Attributes
    ----------
    threads:
        The variables that tell its threads apart.
    """

    def __init__(self) -> None:
        self.threads: set[Var] = set()

    def part(self, stmt: Stmt) -> _Part:
        match stmt:
            case Seq(body):
                return _sequence(map(self.part, body))
            case Barrier():
                return _Part(stmt, barriers=True)
            case Allocate(_, body):
                inner = self.part(body)
                return dataclasses.replace(inner, stmt=dataclasses.replace(stmt, body=inner.stmt))
            case For():
                return self.loop(stmt)
            case If():
                return self.condition(stmt)
        accesses = _accesses(stmt)
        return _Part(stmt, accesses, accesses)

    def loop(self, loop: For) -> _Part:
        if loop.kind is LoopKind.THREAD:
            self.threads.add(loop.var)
        inner = self.part(loop.body)
        carried = loop.kind is not LoopKind.THREAD and inner.tail.endangers(inner.head)
        body = seq(inner.stmt, Barrier()) if carried else inner.stmt
        self.check(body, loop.extent, f"the loop {loop.var.name} in range({loop.extent})")
        certain = isinstance(loop.extent, Const) and (inner.barriers or carried)
        whole = dataclasses.replace(loop, body=body)
        return _Part(whole, inner.head, _Accesses() if carried else inner.tail, certain)

    def condition(self, stmt: If) -> _Part:
        then = self.part(stmt.then)
        orelse = _Part(Seq()) if stmt.orelse is None else self.part(stmt.orelse)
        whole = If(stmt.condition, then.stmt, None if stmt.orelse is None else orelse.stmt)
        self.check(whole, stmt.condition, f"if {stmt.condition}")
        return _Part(whole, then.head | orelse.head, then.tail | orelse.tail, then.barriers and orelse.barriers)

    def check(self, stmt: Stmt, decides: Expr, where: str) -> None:
        """Raises `BarrierError` if `stmt` has barriers and `decides`, which it depends on, is not the same for all."""
        if not any(isinstance(part, Barrier) for part in walk(stmt)):
            return
        own = [var.name for var in free_vars(decides) if var in self.threads]
        if own:
            raise BarrierError(
                f"threads meet in shared memory within {where}, which depends on the thread {own[0]}; "
                "compute the shared stage outside of it"
            )


def _sequence(parts: Iterable[_Part]) -> _Part:
    stmts: list[Stmt] = []
    whole = _Part(Seq())
    for part in parts:
        barrier = whole.tail.endangers(part.head) or _written_again(whole.tail, part.head)
        if barrier:
            stmts.append(Barrier())
        stmts.append(part.stmt)
        head = whole.head if whole.barriers or barrier else whole.head | part.head
        tail = part.tail if barrier or part.barriers else whole.tail | part.tail
        whole = _Part(Seq(), head, tail, whole.barriers or barrier or part.barriers)
    return dataclasses.replace(whole, stmt=seq(*stmts))


def _written_again(before: _Accesses, later: _Accesses) -> bool:
    return bool(before.written & later.written)


def _accesses(stmt: Stmt) -> _Accesses:
    """What of the shared memory a statement accesses; an element that it only adds to is not read from others."""
    read = set(reads(stmt))
    if isinstance(stmt, Store) and isinstance(stmt.value, Binary) and stmt.value.a == Load(stmt.buffer, stmt.indices):
        read = set(reads(stmt.value.b))
    return _Accesses(frozenset(filter(_shared, read)), frozenset(filter(_shared, writes(stmt))))


def _shared(buffer: Buffer) -> bool:
    return buffer.scope == SHARED
