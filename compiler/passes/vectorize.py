"""Loops of kind `VECTORIZED` become operations on vectors."""

from __future__ import annotations

import dataclasses

from dovetail.compiler.tir.dtypes import lanes_of, scalar_of, vector_of
from dovetail.compiler.tir.expr import (
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
    Select,
    Var,
    all_of,
)
from dovetail.compiler.tir.simplify import conjuncts, is_index, linear
from dovetail.compiler.tir.stmt import Buffer, For, If, LoopKind, Program, Seq, Stmt, Store, seq
from dovetail.compiler.tir.structure import Rewriter, free_vars, renewed, substitute, transform, walk

MAX_LANES = 64
"""Longer loops are split into vectors of at most so many lanes."""


def vectorize(program: Program) -> Program:
    """`program` with a vector statement for each statement of a vectorized loop.

    Where a condition that guards a statement depends on the lane and is linear in it, the vector statement stands for
    the case that all lanes fulfil it, and a serial loop for the others. A statement for which there is no vector
    statement stays in a serial loop; so does the whole loop if its iterations may depend on each other, if it contains
    more than stores, loops and conditions, and if its extent is not a number.
    """
    return dataclasses.replace(program, body=_Vectorize()(program.body))


class _NoVectorError(Exception):
    """There is no vector form."""


class _Vectorize(Rewriter):
    def visit_for(self, loop: For) -> Stmt:
        loop = self.rebuild(loop)
        if loop.kind is not LoopKind.VECTORIZED:
            return loop
        serial = dataclasses.replace(loop, kind=LoopKind.SERIAL)
        if not isinstance(loop.extent, Const) or not _independent(loop):
            return serial
        extent = int(loop.extent.value)
        if extent < 2:
            return serial
        if extent <= MAX_LANES:
            vectors = _Lanes(loop.var, extent)
            body = vectors.stmt(loop.body)
            return body if vectors.found else serial
        lanes = next(lanes for lanes in range(MAX_LANES, 0, -1) if extent % lanes == 0)
        if lanes == 1:
            return serial
        outer, inner = Var(f"{loop.var.name}_outer"), Var(loop.var.name)
        vectors = _Lanes(inner, lanes)
        body = vectors.stmt(substitute(loop.body, {loop.var: outer * lanes + inner}))
        return For(outer, Const(extent // lanes), body, pragmas=loop.pragmas) if vectors.found else serial


def _independent(loop: For) -> bool:
    """Whether no iteration touches what another writes: all accesses to a buffer that is written have the lane in the
    same index."""
    places: dict[Buffer, set[tuple[int, Expr] | None]] = {}
    written: set[Buffer] = set()
    for part in walk(loop.body):
        if isinstance(part, Store | Load):
            place = [(axis, index) for axis, index in enumerate(part.indices) if loop.var in free_vars(index)]
            places.setdefault(part.buffer, set()).add(place[0] if len(place) == 1 else None)
            if isinstance(part, Store):
                written.add(part.buffer)
        elif isinstance(part, Stmt) and not isinstance(part, For | If | Seq):
            return False
    return all(len(places[buffer]) == 1 and None not in places[buffer] for buffer in written)


class _Lanes:
    """Statements and expressions for all values of a variable at once.

    Attributes
    ----------
    found:
        There was a vector form for something.
    """

    def __init__(self, var: Var, lanes: int) -> None:
        self.var = var
        self.lanes = lanes
        self.found = False

    def depends(self, node: Expr | Stmt) -> bool:
        return self.var in free_vars(node)

    def stmt(self, stmt: Stmt) -> Stmt:
        """`stmt` for all lanes."""
        match stmt:
            case Seq(body):
                return seq(*map(self.stmt, body))
            case For(extent=extent) if stmt.kind in (LoopKind.SERIAL, LoopKind.UNROLLED) and not self.depends(extent):
                return dataclasses.replace(stmt, body=self.stmt(stmt.body))
            case If(condition, then, orelse) if not self.depends(condition):
                return If(condition, self.stmt(then), None if orelse is None else self.stmt(orelse))
            case If(condition, then, None):
                return self.where([condition], stmt, then)
            case Store(_, _, value):
                guards = [part.condition for part in walk(value) if isinstance(part, Select) and part.guard]
                lane_guards = [guard for guard in guards if self.depends(guard)]
                if lane_guards:
                    return self.where(lane_guards, stmt, _assuming(stmt, lane_guards))
                return self.store(stmt)
        return self.serial(stmt)

    def serial(self, stmt: Stmt) -> Stmt:
        lane = Var(self.var.name)
        return For(lane, Const(self.lanes), renewed(substitute(stmt, {self.var: lane})))

    def where(self, conditions: list[Expr], stmt: Stmt, fulfilled: Stmt) -> Stmt:
        """`fulfilled` in vector form if the conditions hold in all lanes, else `stmt` lane by lane."""
        parts = [part for condition in conditions for part in conjuncts(condition)]
        ends: dict[Expr, None] = {}
        for part in parts:
            if not self.depends(part):
                ends.setdefault(part)
                continue
            linear_in_lane = (
                isinstance(part, Binary)
                and part.op in (Op.LT, Op.LE)
                and is_index(part.a)
                and is_index(part.b)
                and linear(part.a - part.b, [self.var]) is not None
            )
            if not linear_in_lane:
                return self.serial(stmt)
            for lane in (0, self.lanes - 1):
                ends.setdefault(substitute(part, {self.var: Const(lane)}))
        before, self.found = self.found, False
        vector = self.stmt(fulfilled)
        if not self.found:
            self.found = before
            return self.serial(stmt)
        return If(all_of(list(ends)), vector, self.serial(stmt))

    def store(self, stmt: Store) -> Stmt:
        try:
            vector = Store(stmt.buffer, self.indices(stmt.indices), self.broadcast(self.expr(stmt.value)))
        except _NoVectorError:
            return self.serial(stmt)
        self.found = True
        return vector

    def indices(self, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        if sum(map(self.depends, indices)) > 1:
            raise _NoVectorError
        return tuple(map(self.expr, indices))

    def broadcast(self, expr: Expr) -> Expr:
        if lanes_of(expr.dtype) > 1:
            return expr
        if isinstance(expr, Const):
            return Const(expr.value, vector_of(expr.type, self.lanes))
        return Broadcast(expr, self.lanes)

    def expr(self, expr: Expr) -> Expr:
        """The vector of the values of `expr`; a scalar if they are all the same."""
        if not self.depends(expr):
            if lanes_of(expr.dtype) > 1:
                raise _NoVectorError
            return expr
        if is_index(expr):
            parts = linear(expr, [self.var])
            if parts is not None:
                stride = parts[0][self.var]
                return Ramp(parts[1], stride, self.lanes) if stride else parts[1]
        match expr:
            case Load(buffer, indices):
                return Load(buffer, self.indices(indices))
            case Binary(op, a, b):
                return Binary(op, self.broadcast(self.expr(a)), self.broadcast(self.expr(b)))
            case Not(a):
                return Not(self.expr(a))
            case Cast(dtype, a):
                return Cast(vector_of(scalar_of(dtype), self.lanes), self.expr(a))
            case Math(function, args):
                return Math(function, tuple(self.broadcast(self.expr(arg)) for arg in args))
            case Select(condition, a, b, guard):
                arms = self.broadcast(self.expr(a)), self.broadcast(self.expr(b))
                return Select(self.expr(condition), *arms, guard)
        raise _NoVectorError


def _assuming(stmt: Store, conditions: list[Expr]) -> Stmt:
    """`stmt` where each of `conditions` holds."""
    return transform(stmt, lambda node: node.a if isinstance(node, Select) and node.condition in conditions else None)
