"""Insert the tokens that let units run on their own and yet use each buffer in the program's order.

Buffers are looked at one by one. Where one unit's use of a buffer must come after another's, one of them a write, the
first pushes and the second pops. A loop that hands a buffer to its next iteration begins with as many tokens as the
buffer has copies. TVM's pass looks at changes of unit only, whatever buffer they touch, so each of its virtual threads
is serial (Moreau et al., VTA, IEEE Micro 2019, section 3); here two stages that share no buffer never wait.

Each place that needs tokens has a virtual queue of its own. The code generator maps these to the machine's queues.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dovetail.compiler.tir.stmt import Allocate, Buffer, For, If, Pop, Program, Push, Seq, Stmt, seq
from dovetail.compiler.tir.structure import allocated, writes
from dovetail.isa.instructions import Unit

from .carrying import Chain, Pairs, Uses, chain, parts, shared, uses

_ENDS = {Unit.LOAD, Unit.STORE}
"""Units without a queue between them: what one gives the other goes through compute."""


def insert_tokens(program: Program) -> Program:
    """`program` with pushes and pops for every buffer that several units use, unless all only read it.

    Also for buffers in DRAM that the program both writes and reads.
    """
    body = program.body
    serials: defaultdict[str, int] = defaultdict(int)
    written = set(writes(program))
    for buffer in (*reversed(allocated(program)), *(param for param in program.params if param in written)):
        body = _Inserter(buffer, serials).scope(body)
    return replace(program, body=body)


@dataclass(frozen=True)
class _Edge:
    """Tokens from `giver` to `taker`, through compute where they have no queue."""

    giver: Unit
    taker: Unit
    label: object

    @property
    def hops(self) -> bool:
        return {self.giver, self.taker} == _ENDS

    def push(self) -> Stmt:
        return Push(self.giver, Unit.COMPUTE if self.hops else self.taker, (self.label,))

    def pop(self) -> Stmt:
        return seq(self._take(), self._pass_on(), self._take_onward()) if self.hops else self._take()

    def credits(self, count: int) -> tuple[list[Stmt], list[Stmt]]:
        """Tokens that are there from the start, and what takes as many in the end."""
        # Compute passes a token on when its own iteration begins. The taker runs ahead of that by those handed to it.
        handed = count // 2 if self.hops else 0
        lead = [self.push()] * (count - handed) + [self._pass_on()] * handed
        return lead, [self._take()] * (count - handed) + [self._take_onward()] * handed

    def _take(self) -> Stmt:
        return Pop(Unit.COMPUTE if self.hops else self.taker, self.giver, (self.label,))

    def _pass_on(self) -> Stmt:
        return Push(Unit.COMPUTE, self.taker, (("onward", self.label),))

    def _take_onward(self) -> Stmt:
        return Pop(self.taker, Unit.COMPUTE, (("onward", self.label),))


class _Inserter:
    """Inserts the tokens of one buffer.

    Parameters
    ----------
    serials:
        How many queues there are by the names of the buffers they are for, which need not be unique.
    """

    def __init__(self, buffer: Buffer, serials: defaultdict[str, int]) -> None:
        self.buffer, self.serials = buffer, serials
        self.rotation: Chain | None = None
        self.credits: list[tuple[_Edge, int]] = []

    def scope(self, stmt: Stmt, carried: Sequence[_Edge] = ()) -> Stmt:
        """`stmt`, and around it the credits of its loops, so that these need not wait for what is between them."""
        outside, self.credits = self.credits, []
        inner = self.sequence(parts(stmt), carried)
        given, self.credits = self.credits, outside
        lead: list[Stmt] = []
        trail: list[Stmt] = []
        for edge, count in given:
            first, last = edge.credits(count)
            lead += first
            trail += last
        return seq(*lead, inner, *trail)

    def sequence(self, children: Sequence[Stmt], carried: Iterable[_Edge]) -> Stmt:
        before: defaultdict[int, list[Stmt]] = defaultdict(list)
        after: defaultdict[int, list[Stmt]] = defaultdict(list)
        last: dict[Unit, int] = {}
        first: dict[Unit, int] = {}
        so_far = Uses()
        for place, child in enumerate(children):
            here = uses(child, self.buffer)
            for edge in self.edges(so_far.waits(here)):
                after[last[edge.giver]].append(edge.push())
                before[place].append(edge.pop())
            last |= dict.fromkeys(here.last, place)
            first = dict.fromkeys(here.first, place) | first
            so_far = so_far.then(here)
        for edge in carried:
            before[first[edge.taker]].insert(0, edge.pop())
            after[last[edge.giver]].append(edge.push())
        done = [self.statement(child) for child in children]
        return seq(*(part for place, child in enumerate(done) for part in (*before[place], child, *after[place])))

    def statement(self, stmt: Stmt) -> Stmt:
        if not shared(stmt, self.buffer):
            return stmt
        match stmt:
            case For():
                return self.loop(stmt)
            case Allocate():
                if stmt.buffer is self.buffer:
                    self.rotation = chain(stmt.body, self.buffer)
                return replace(stmt, body=self.scope(stmt.body))
            case If():
                orelse = self.scope(stmt.orelse) if stmt.orelse is not None else None
                return replace(stmt, then=self.scope(stmt.then), orelse=orelse)
        return stmt

    def loop(self, loop: For) -> Stmt:
        found = chain(loop, self.buffer)
        if found is None or found.loops[0] is not loop:
            return replace(loop, body=self.scope(loop.body))
        each = uses(found.body, self.buffer)
        carried = self.edges(each.waits(each))
        rotates = self.rotation is not None and self.rotation.loops[0] is loop
        self.credits += [(edge, self.buffer.copies if rotates else 1) for edge in carried]
        return _rebuilt(loop, found.body, self.scope(found.body, carried))

    def edges(self, pairs: Pairs) -> list[_Edge]:
        """Tokens for each pair of giver and taker, in queues of their own."""
        edges = []
        name = self.buffer.name
        for giver, taker in sorted(pairs):
            serial = self.serials[name]
            self.serials[name] += 1
            edges.append(_Edge(giver, taker, (name, serial) if serial else name))
        return edges


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
