"""Simplifies all expressions of a program, and drops what is never executed."""

from __future__ import annotations

import dataclasses
from typing import cast

from dovetail.compiler.tir.dtypes import limits
from dovetail.compiler.tir.expr import Const, Expr, Load, Not, Range, Var
from dovetail.compiler.tir.simplifier import Simplifier, conjuncts
from dovetail.compiler.tir.stmt import Allocate, Copy, For, If, LoopKind, Program, Seq, Stmt
from dovetail.compiler.tir.structure import N, Rewriter, reads, substitute, walk, writes

EMPTY = Seq()


def simplify(program: Program) -> Program:
    """`program` with simplified expressions.

    Loops without iterations, conditions that are certain, statements that do nothing and buffers that nothing uses are
    gone. Of loops with one iteration the body remains, but for loops over threads and those with pragmas.
    """
    return dataclasses.replace(program, body=_Simplify(program)(program.body))


class _Simplify(Rewriter):
    def __init__(self, program: Program) -> None:
        self.bounds: dict[Var, tuple[Expr | int, Expr | int]] = {
            size: (0, limits(size.type)[1]) for size in program.sizes
        }
        self.known: list[Expr] = []
        self.expr = Simplifier(self.bounds, self.known)

    def __call__(self, node: N) -> N:
        return cast(N, self.expr(node)) if isinstance(node, Expr) else super().__call__(node)

    def visit_for(self, loop: For) -> Stmt:
        extent = self.expr(loop.extent)
        low, high = self.expr.sums.range_of(self.expr.sums.sum_of(extent))
        if high <= 0:
            return EMPTY
        if low == high == 1 and loop.kind is not LoopKind.THREAD and not loop.pragmas:
            return self(substitute(loop.body, {loop.var: Const(0, loop.var.type)}))
        last = int(extent.value) - 1 if isinstance(extent, Const) else self.expr(extent - 1)
        self.bounds[loop.var] = (0, last)
        body = self(loop.body)
        del self.bounds[loop.var]
        return EMPTY if body == EMPTY else dataclasses.replace(loop, extent=extent, body=body)

    def visit_if(self, stmt: If) -> Stmt:
        condition = self.expr(stmt.condition)
        orelse = stmt.orelse or EMPTY
        if isinstance(condition, Const):
            return self(stmt.then if condition.value else orelse)
        then = self.where(conjuncts(condition), stmt.then)
        otherwise = self.where([self.expr(Not(condition))], orelse)
        if then == EMPTY:
            return EMPTY if otherwise == EMPTY else If(self.expr(Not(condition)), otherwise)
        return If(condition, then, None if otherwise == EMPTY else otherwise)

    def where(self, conditions: list[Expr], stmt: Stmt) -> Stmt:
        """`stmt` simplified where `conditions` hold; what is read from memory may change meanwhile."""
        lasting = [condition for condition in conditions if not any(isinstance(part, Load) for part in walk(condition))]
        self.known.extend(lasting)
        result = self(stmt)
        del self.known[len(self.known) - len(lasting) :]
        return result

    def visit_allocate(self, stmt: Allocate) -> Stmt:
        body = self(stmt.body)
        if stmt.buffer not in reads(body) and stmt.buffer not in writes(body):
            return body
        return Allocate(stmt.buffer, body)

    def visit_copy(self, stmt: Copy) -> Stmt:
        simple = self.rebuild(stmt)
        return EMPTY if any(_is_empty(part) for part in simple.dst.ranges) else simple


def _is_empty(part: Range) -> bool:
    return isinstance(part.extent, Const) and part.extent.value <= 0
