"""Which units use a buffer, in what order, and which loops hand it from one iteration to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import Allocate, Buffer, Copy, For, If, Invoke, LoopKind, Seq, Stmt
from dovetail.isa.instructions import Unit


def phases(stmt: Stmt, buffer: Buffer) -> tuple[Unit, ...]:
    """The units that use `buffer` one after the other; neighbours differ. Of a loop, those of one iteration."""
    match stmt:
        case Copy():
            touches = buffer in (stmt.dst.buffer, stmt.src.buffer)
            return (stmt.unit,) if touches and stmt.unit is not None else ()
        case Invoke():
            touches = any(operand.region.buffer is buffer for operand in stmt.outputs + stmt.inputs)
            return (stmt.unit,) if touches and stmt.unit is not None else ()
        case Seq():
            return _joined(phases(child, buffer) for child in stmt.body)
        case For() | Allocate():
            return phases(stmt.body, buffer)
        case If():
            return _joined(phases(child, buffer) for child in (stmt.then, stmt.orelse) if child is not None)
    return ()


def users(stmt: Stmt, buffer: Buffer) -> list[int]:
    """The children of a sequence that use `buffer`."""
    assert isinstance(stmt, Seq)
    return [place for place, child in enumerate(stmt.body) if phases(child, buffer)]


@dataclass(frozen=True)
class Chain:
    """Loops, outermost first, of which each but the last does nothing with a buffer but in the next.

    In `body`, of the last one, the buffer passes from unit to unit. A chain does not go into virtual threads, which
    hand nothing to each other, nor into the allocation of the buffer, whose copies begin anew there.
    """

    loops: tuple[For, ...]
    body: Stmt


def chain(loop: For, buffer: Buffer) -> Chain:
    """The chain that begins with `loop`."""
    loops, stmt = [loop], loop.body
    while True:
        match stmt:
            case Seq() if len(places := users(stmt, buffer)) == 1:
                stmt = stmt.body[places[0]]
            case Allocate() if stmt.buffer is not buffer:
                stmt = stmt.body
            case For() if stmt.kind is not LoopKind.VTHREAD and len(phases(stmt, buffer)) > 1:
                loops.append(stmt)
                stmt = stmt.body
            case _:
                return Chain(tuple(loops), stmt)


def carries(of: Chain) -> bool:
    """All loops of a chain can share the copies of a ring buffer: the copy in use follows from their variables.

    That needs constant extents, but for the outermost loop, since iterations are numbered by them.
    """
    return all(isinstance(loop.extent, Const) for loop in of.loops[1:])


def _joined(parts: Iterable[tuple[Unit, ...]]) -> tuple[Unit, ...]:
    found: list[Unit] = []
    for part in parts:
        found.extend(unit for place, unit in enumerate(part) if place or not found or found[-1] != unit)
    return tuple(found)
