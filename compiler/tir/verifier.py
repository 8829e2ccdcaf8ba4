"""Checks that a program is well formed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .affine import INDEX_TYPES
from .dtypes import is_float, is_integer, lanes_of, scalar_of
from .expr import (
    FUNCTIONS,
    INTEGER_ONLY,
    Binary,
    Broadcast,
    Cast,
    Const,
    Expr,
    Load,
    Math,
    Not,
    Op,
    Ramp,
    Range,
    Select,
    Var,
)
from .stmt import (
    THREADS_OF_GROUP,
    Allocate,
    Barrier,
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
)
from .structure import Node, children

Rules = dict[type, tuple[tuple[str, Callable[[Any], bool]], ...]]


class VerificationError(ValueError):
    """A program is not well formed: the message says what is wrong, in which statement or expression."""


def check(program: Program) -> None:
    """Checks a program.

    Raises
    ------
    VerificationError:
        A rule of `EXPRESSIONS`, `STATEMENTS` or `PARTS` is broken, a variable is used where no loop binds it or bound
        twice, a buffer is used where it is not allocated or allocated twice, or a barrier is outside of threads.
    """
    _Verifier(program).visit(program.body)


def _scalar_index(expr: Expr) -> bool:
    return expr.dtype in INDEX_TYPES


def _index(expr: Expr) -> bool:
    return scalar_of(expr.dtype) in INDEX_TYPES


def _indices(buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
    return len(indices) == len(buffer.shape) and all(map(_index, indices))


def _extents(region: Region) -> list[Expr]:
    return [part.extent for part in region.ranges if part.extent != Const(1)]


def _same_box(dst: Region, src: Region) -> bool:
    one, other = _extents(dst), _extents(src)
    numbers = all(isinstance(extent, Const) for extent in one + other)
    return one == other or (not numbers and len(one) == len(other))


def _operand(operand: Operand) -> bool:
    used = [axis for axis in operand.axes if axis is not None]
    return len(used) == len(set(used)) and all(axis in range(len(operand.region.ranges)) for axis in used)


def _points(operand: Operand) -> list[Expr]:
    """Extents of the axes that are none of the primitive's, but for those of extent 1."""
    ranges = enumerate(operand.region.ranges)
    return [part.extent for axis, part in ranges if axis not in operand.axes and part.extent != Const(1)]


def _same_points(stmt: Invoke) -> bool:
    points = _points(stmt.outputs[0]) if stmt.outputs else []
    return all(_points(operand) in (points, []) for operand in _operands(stmt))


def _lanes(dtype: str, *others: str) -> bool:
    return all(lanes_of(other) == lanes_of(dtype) for other in others)


EXPRESSIONS: Rules = {
    Const: (
        ("a number of its dtype", lambda e: isinstance(e.value, float) == is_float(e.type)),
        ("a boolean for bool", lambda e: isinstance(e.value, bool) == (scalar_of(e.type) == "bool")),
    ),
    Var: (("a scalar", lambda e: lanes_of(e.type) == 1),),
    Binary: (
        ("operands of one dtype", lambda e: e.a.dtype == e.b.dtype),
        ("integers", lambda e: e.op not in INTEGER_ONLY or is_integer(e.a.dtype)),
        ("floats for /", lambda e: e.op is not Op.DIV or is_float(e.a.dtype)),
        ("booleans or integers", lambda e: e.op not in (Op.AND, Op.OR) or not is_float(e.a.dtype)),
    ),
    Not: (("a boolean", lambda e: scalar_of(e.a.dtype) == "bool"),),
    Cast: (("a scalar, or as many lanes", lambda e: lanes_of(e.a.dtype) in (1, lanes_of(e.type))),),
    Select: (
        ("a boolean condition", lambda e: scalar_of(e.condition.dtype) == "bool"),
        ("arms of one dtype", lambda e: e.a.dtype == e.b.dtype),
        ("a scalar condition, or as many lanes", lambda e: lanes_of(e.condition.dtype) in (1, lanes_of(e.dtype))),
    ),
    Load: (
        ("an integer index for each axis", lambda e: _indices(e.buffer, e.indices)),
        ("a vector in one index at most", lambda e: sum(lanes_of(index.dtype) > 1 for index in e.indices) <= 1),
    ),
    Math: (
        ("a known function, with its number of arguments", lambda e: FUNCTIONS.get(e.function) == len(e.args)),
        ("arguments of one dtype", lambda e: all(arg.dtype == e.args[0].dtype for arg in e.args)),
    ),
    Ramp: (("a scalar index as base, and two lanes or more", lambda e: _scalar_index(e.base) and e.lanes > 1),),
    Broadcast: (("a scalar, and two lanes or more", lambda e: lanes_of(e.value.dtype) == 1 and e.lanes > 1),),
}
"""For each class of expressions, what it must have."""

STATEMENTS: Rules = {
    For: (
        ("a scalar integer as variable", lambda s: _scalar_index(s.var)),
        ("an extent of the type of its variable", lambda s: s.extent.dtype == s.var.dtype),
        (
            "a thread axis if of kind THREAD, and only then",
            lambda s: bool(s.thread) == (s.kind is LoopKind.THREAD),
        ),
    ),
    Store: (
        ("an integer index for each axis", lambda s: _indices(s.buffer, s.indices)),
        ("a vector in one index at most", lambda s: sum(lanes_of(index.dtype) > 1 for index in s.indices) <= 1),
        (
            "a value of the buffer's dtype and lanes",
            lambda s: s.value.dtype == Load(s.buffer, s.indices).dtype,
        ),
    ),
    If: (("a scalar boolean condition", lambda s: s.condition.dtype == "bool"),),
    Seq: (("no Seq in a Seq", lambda s: not any(isinstance(part, Seq) for part in s.body)),),
    Allocate: (
        ("extents that are numbers, 1 or more", lambda s: all(_positive(extent) for extent in s.buffer.shape)),
        ("one copy or more", lambda s: s.buffer.copies >= 1),
    ),
    Copy: (("regions of the same extents, but for 1", lambda s: _same_box(s.dst, s.src)),),
    Invoke: (
        ("operands of different axes", lambda s: all(map(_operand, _operands(s)))),
        ("the same other axes in all operands, or extent 1 there", _same_points),
    ),
    Push: (("another unit as peer", lambda s: s.unit is not s.peer),),
    Pop: (("another unit as peer", lambda s: s.unit is not s.peer),),
    Barrier: (),
}
"""For each class of statements, what it must have."""

PARTS: Rules = {
    Region: (("a range for each axis", lambda r: len(r.ranges) == len(r.buffer.shape)),),
    Range: (
        ("scalar integers", lambda r: _scalar_index(r.begin) and _scalar_index(r.extent)),
        ("a step of 1 or more", lambda r: r.step >= 1),
    ),
    Operand: (),
}
"""The same for what statements consist of."""


def _operands(stmt: Invoke) -> tuple[Operand, ...]:
    return stmt.outputs + stmt.inputs


def _positive(extent: Expr) -> bool:
    return isinstance(extent, Const) and extent.value >= 1


RULES = EXPRESSIONS | STATEMENTS | PARTS


class _Verifier:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.place: list[Node] = []
        self.seen: set[Var | Buffer] = set()
        self.live: set[Var | Buffer] = set()
        self.threads = 0
        for size in program.sizes:
            self.introduce(size)
        for param in program.params:
            self.introduce(param)
            for extent in param.shape:
                self.visit(extent)

    def fail(self, message: str) -> None:
        where = ""
        if self.place:
            first, *others = str(self.place[-1]).split("\n")
            where = f" in {first}{' ...' if others else ''}"
        raise VerificationError(f"{self.program.name}: {message}{where}")

    def introduce(self, what: Var | Buffer) -> None:
        if what in self.seen:
            self.fail(f"{what.name} is {'bound' if isinstance(what, Var) else 'allocated'} a second time")
        self.seen.add(what)
        self.live.add(what)

    def visit(self, node: Node) -> None:
        """Checks `node` and all below."""
        if isinstance(node, Stmt):
            self.place.append(node)
        if type(node) not in RULES:
            self.fail(f"{type(node).__name__} is no part of a loop program")
        for needed, holds in RULES[type(node)]:
            if not holds(node):
                self.fail(f"{type(node).__name__} needs {needed}{f': {node}' if isinstance(node, Expr) else ''}")
        match node:
            case Var() if node not in self.live:
                self.fail(f"{node.name} is not bound")
            case Load() | Store() | Region() if node.buffer not in self.live:
                self.fail(f"{node.buffer.name} is not allocated")
            case Barrier() if not self.threads:
                self.fail("a barrier outside of the threads of a group")
        match node:
            case For():
                self.loop(node)
            case Allocate():
                self.introduce(node.buffer)
                self.visit(node.body)
                self.live.discard(node.buffer)
            case _:
                for child in children(node):
                    self.visit(child)
        if isinstance(node, Stmt):
            self.place.pop()

    def loop(self, loop: For) -> None:
        self.visit(loop.extent)
        self.introduce(loop.var)
        is_group = loop.thread.startswith(THREADS_OF_GROUP)
        self.threads += is_group
        self.visit(loop.body)
        self.threads -= is_group
        self.live.discard(loop.var)
