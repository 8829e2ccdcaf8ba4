"""Insert the tokens that let units run on their own and yet use each buffer in the program's order.

Buffers are looked at one by one. Where one unit's use of a buffer follows another's, the first pushes and the second
pops. A loop that hands a buffer from its last user to its first user of the next iteration begins with as many tokens
as the buffer has copies. TVM's pass looks at changes of unit only, whatever buffer they touch, so each of its virtual
threads is serial (Moreau et al., VTA, IEEE Micro 2019, section 3); here two stages that share no buffer never wait.

Each place that needs tokens has a virtual queue of its own. The code generator maps these to the machine's queues.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, pairwise

from dovetail.compiler.tir.stmt import (
    GLOBAL,
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Pop,
    Program,
    Push,
    Seq,
    Stmt,
    seq,
)
from dovetail.compiler.tir.structure import allocated, writes
from dovetail.isa.instructions import Unit

from .carrying import carries, chain, phases, users

_ENDS = {Unit.LOAD, Unit.STORE}
"""Units without a queue between them: what one gives the other goes through compute."""


def insert_tokens(program: Program) -> Program:
    """`program` with pushes and pops for every buffer that several units use.

    Also for buffers in DRAM that the program both writes and reads.
    """
    body = program.body
    written = set(writes(program))
    for buffer in (*allocated(program), *(param for param in program.params if param in written)):
        body = _Inserter(buffer).statement(body)
    return replace(program, body=body)


@dataclass(frozen=True)
class _Edge:
    """Tokens from `giver` to `taker`, through compute where they have no queue."""

    giver: Unit
    taker: Unit
    queue: tuple[object, ...]

    @property
    def _via(self) -> Unit:
        return Unit.COMPUTE if {self.giver, self.taker} == _ENDS else self.taker

    def push(self) -> Stmt:
        return Push(self.giver, self._via, self.queue)

    def pop(self) -> Stmt:
        if self._via is self.taker:
            return Pop(self.taker, self.giver, self.queue)
        onward = (*self.queue, "onward")
        return seq(
            Pop(self._via, self.giver, self.queue),
            Push(self._via, self.taker, onward),
            Pop(self.taker, self._via, onward),
        )

    def drain(self) -> Stmt:
        """Take a token that nothing needs any more."""
        return Pop(self._via, self.giver, self.queue)


class _Inserter:
    """Inserts the tokens of one buffer."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.places = count()

    def statement(self, stmt: Stmt) -> Stmt:
        if len(phases(stmt, self.buffer)) < 2:
            return stmt
        match stmt:
            case Seq():
                return self._sequence(stmt)
            case For(kind=LoopKind.VTHREAD):
                return replace(stmt, body=self.statement(stmt.body))
            case For():
                return self._loop(stmt)
            case Allocate():
                return replace(stmt, body=self.statement(stmt.body))
            case If():
                orelse = self.statement(stmt.orelse) if stmt.orelse is not None else None
                return replace(stmt, then=self.statement(stmt.then), orelse=orelse)
        return stmt

    def _edge(self, giver: Unit, taker: Unit) -> _Edge:
        place = next(self.places)
        return _Edge(giver, taker, (self.buffer.name, place) if place else (self.buffer.name,))

    def _sequence(self, stmt: Seq) -> Stmt:
        body: list[Stmt] = [self.statement(child) for child in stmt.body]
        before: dict[int, Stmt] = {}
        after: dict[int, Stmt] = {}
        for one, other in pairwise(users(stmt, self.buffer)):
            giver, taker = phases(stmt.body[one], self.buffer)[-1], phases(stmt.body[other], self.buffer)[0]
            if giver != taker:
                edge = self._edge(giver, taker)
                after[one], before[other] = edge.push(), edge.pop()
        return seq(*(part for k, child in enumerate(body) for part in (before.get(k), child, after.get(k))))

    def _loop(self, loop: For) -> Stmt:
        found = chain(loop, self.buffer)
        units = phases(found.body, self.buffer)
        if units[0] == units[-1]:
            return replace(loop, body=self.statement(loop.body))
        if not carries(found):
            return replace(loop, body=self.statement(loop.body))
        edge = self._edge(units[-1], units[0])
        inner = self._carried(found.body, edge)
        fresh = self.buffer.scope == GLOBAL or self.buffer in allocated(loop)
        credits = 1 if fresh else self.buffer.copies
        lead, trail = [edge.push()] * credits, [edge.drain()] * credits
        return seq(*lead, _rebuilt(loop, found.body, inner), *trail)

    def _carried(self, body: Stmt, edge: _Edge) -> Stmt:
        """The body of the innermost loop, its first use waiting for the tokens that its last use gives."""
        if not isinstance(body, Seq):
            return seq(edge.pop(), self.statement(body), edge.push())
        places = users(body, self.buffer)
        done = self._sequence(body)
        assert isinstance(done, Seq)
        begin, end = places[0], len(done.body) - (len(body.body) - 1 - places[-1])
        return seq(*done.body[:begin], edge.pop(), *done.body[begin:end], edge.push(), *done.body[end:])


def _rebuilt(loop: Stmt, old: Stmt, new: Stmt) -> Stmt:
    """`loop` with `new` instead of `old`, which is in it once."""
    if loop is old:
        return new
    match loop:
        case For() | Allocate():
            return replace(loop, body=_rebuilt(loop.body, old, new))
        case Seq():
            return seq(*(_rebuilt(child, old, new) for child in loop.body))
    return loop
