"""How units use a buffer, and which loops hand it from one iteration to the next."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import Allocate, Buffer, Copy, For, If, Invoke, LoopKind, Seq, Stmt
from dovetail.isa.instructions import Unit

Units = frozenset[Unit]
Pairs = frozenset[tuple[Unit, Unit]]
NONE: frozenset[Unit] = frozenset()


@dataclass(frozen=True)
class Uses:
    """How a statement uses a buffer, as far as what comes before or after it must know.

    Attributes
    ----------
    first_reads, first_writes:
        Units that may use it before the statement itself makes them wait for another's write.
    last_reads, last_writes:
        Units whose uses a later one must wait for.
    settles:
        Every execution writes the buffer, and that waits for all earlier uses.
    ordered:
        Pairs of units: the last uses of the one come before all that the other does afterwards.
    """

    first_reads: Units = NONE
    first_writes: Units = NONE
    last_reads: Units = NONE
    last_writes: Units = NONE
    settles: bool = False
    ordered: Pairs = frozenset()

    @property
    def first(self) -> Units:
        return self.first_reads | self.first_writes

    @property
    def last(self) -> Units:
        return self.last_reads | self.last_writes

    def waits(self, then: Uses) -> Pairs:
        """Pairs of units of which the second's use in `then` has to wait for the first's in this statement.

        What follows from others is left out.
        """
        needed = set(self._conflicts(then) - self.ordered)
        for one, other in sorted(needed):
            if any((one, between) in self.ordered and (between, other) in needed for between in Unit):
                needed.remove((one, other))
        return frozenset(needed)

    def _conflicts(self, then: Uses) -> Pairs:
        after_writes = {(one, other) for one in self.last_writes for other in then.first}
        after_reads = {(one, other) for one in self.last_reads for other in then.first_writes}
        return frozenset((one, other) for one, other in after_writes | after_reads if one is not other)

    def then(self, other: Uses) -> Uses:
        """This statement and another one after it, which waits as `waits` says."""
        if not other.first:
            return self
        seen = self.settles
        return Uses(
            self.first_reads | (NONE if seen else other.first_reads),
            self.first_writes | (NONE if seen else other.first_writes),
            other.last_reads | (NONE if other.settles else self.last_reads),
            other.last_writes | (NONE if other.settles else self.last_writes),
            seen or other.settles,
            self._ordered_before(other),
        )

    def _ordered_before(self, other: Uses) -> Pairs:
        if other.settles:
            return other.ordered
        mine = self.ordered | self._conflicts(other)
        return frozenset(
            (one, peer)
            for one in self.last | other.last
            for peer in Unit
            if (one not in self.last or (one, peer) in mine) and (one not in other.last or (one, peer) in other.ordered)
        )

    def either(self, other: Uses) -> Uses:
        """One of two statements."""
        return Uses(
            self.first_reads | other.first_reads,
            self.first_writes | other.first_writes,
            self.last_reads | other.last_reads,
            self.last_writes | other.last_writes,
            self.settles and other.settles,
            frozenset(
                (one, peer)
                for one, peer in self.ordered | other.ordered
                if all((one, peer) in uses.ordered for uses in (self, other) if one in uses.last)
            ),
        )


def uses(stmt: Stmt, buffer: Buffer) -> Uses:
    """How `stmt` uses `buffer`."""
    match stmt:
        case Copy(unit=Unit() as unit):
            return _leaf(unit, stmt.dst.buffer is buffer, stmt.src.buffer is buffer)
        case Invoke(unit=Unit() as unit):
            written, read = (
                any(operand.region.buffer is buffer for operand in group) for group in (stmt.outputs, stmt.inputs)
            )
            return _leaf(unit, written, read)
        case Seq():
            result = Uses()
            for child in stmt.body:
                result = result.then(uses(child, buffer))
            return result
        case For():
            body = uses(stmt.body, buffer)
            certain = isinstance(stmt.extent, Const) and stmt.extent.value > 0
            return body if certain else body.either(Uses())
        case Allocate():
            return uses(stmt.body, buffer)
        case If():
            return uses(stmt.then, buffer).either(uses(stmt.orelse or Seq(), buffer))
    return Uses()


def _leaf(unit: Unit, writes: bool, reads: bool) -> Uses:
    one = frozenset((unit,))
    if writes:
        return Uses(first_writes=one, last_writes=one, settles=True)
    return Uses(first_reads=one, last_reads=one) if reads else Uses()


def parts(stmt: Stmt) -> tuple[Stmt, ...]:
    """The statements of a sequence, or the one statement."""
    return stmt.body if isinstance(stmt, Seq) else (stmt,)


def shared(stmt: Stmt, buffer: Buffer) -> bool:
    """Several units use `buffer`, and one of them writes it."""
    units: set[Unit] = set()
    written = False
    pending = [stmt]
    while pending:
        match pending.pop():
            case Copy() | Invoke() as leaf:
                found = uses(leaf, buffer)
                units |= found.first
                written |= bool(found.first_writes)
            case Seq(body):
                pending.extend(body)
            case For() | Allocate() as outer:
                pending.append(outer.body)
            case If(_, then, orelse):
                pending.extend((then, orelse or Seq()))
    return written and len(units) > 1


@dataclass(frozen=True)
class Chain:
    """Loops, outermost first, of which each but the last does nothing with a buffer but in the next.

    In `body`, that of the last one, the buffer passes from unit to unit. The iterations of all are numbered by their
    variables, so the extents are constant but for the outermost loop's. A chain does not go into virtual threads, which
    hand nothing to each other, nor into the allocation of the buffer, whose copies begin anew there.
    """

    loops: tuple[For, ...]
    body: Stmt


def chain(stmt: Stmt, buffer: Buffer) -> Chain | None:
    """The innermost chain that has all that `stmt` does with `buffer` in it, as long as it can be; None without one."""
    match stmt:
        case Allocate():
            return chain(stmt.body, buffer)
        case Seq():
            using = _using(stmt, buffer)
            return chain(using[0], buffer) if len(using) == 1 else None
        case If(orelse=None):
            return chain(stmt.then, buffer)
        case For(kind=LoopKind.VTHREAD):
            return None
        case For() if shared(stmt.body, buffer):
            inner = chain(stmt.body, buffer)
            if inner is None:
                return Chain((stmt,), _only(stmt.body, buffer))
            next_loop = inner.loops[0]
            if _only(stmt.body, buffer) is next_loop and isinstance(next_loop.extent, Const):
                return Chain((stmt, *inner.loops), inner.body)
            return inner
    return None


def _only(stmt: Stmt, buffer: Buffer) -> Stmt:
    """The innermost statement that has all the work with `buffer` in it and is executed as often as `stmt`."""
    while True:
        match stmt:
            case Allocate() if stmt.buffer is not buffer:
                stmt = stmt.body
            case Seq() if len(using := _using(stmt, buffer)) == 1:
                stmt = using[0]
            case _:
                return stmt


def _using(stmt: Seq, buffer: Buffer) -> list[Stmt]:
    return [child for child in stmt.body if uses(child, buffer).first]
