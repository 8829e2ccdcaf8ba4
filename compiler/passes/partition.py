"""Splits loops where a condition of their body changes, so that the largest part needs no test."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from dovetail.compiler.tir.expr import Binary, Const, Expr, Op, Select, Var, maximum, minimum
from dovetail.compiler.tir.simplifier import TRUE, Simplifier, conjuncts
from dovetail.compiler.tir.simplify import is_index, linear, relax
from dovetail.compiler.tir.stmt import For, If, LoopKind, Program, Stmt, seq
from dovetail.compiler.tir.structure import Node, Rewriter, free_vars, renewed, substitute, transform, walk


def partition(program: Program) -> Program:
    """`program` with serial loops cut into up to three: iterations before, within and after those in which all the
    conditions hold that are linear in the loop's variable.

    Conditions of `If` and of guarded `Select` count. Within the middle part they are gone, and loops inside are split
    in turn. A loop stays whole if no condition can be solved for its variable. `simplify` should follow.
    """
    return dataclasses.replace(program, body=_Partition()(program.body))


class _Partition(Rewriter):
    def __init__(self) -> None:
        self.bounds: dict[Var, tuple[Expr | int, Expr | int]] = {}
        self.simple = Simplifier(self.bounds)

    def visit_for(self, loop: For) -> Stmt:
        cut = self.cut(loop) if loop.kind is LoopKind.SERIAL else None
        if cut is None:
            return self.inside(loop)
        low, high, body = cut
        before = dataclasses.replace(loop, extent=low)
        middle = self.shifted(loop, low, high, body)
        after = self.shifted(loop, high, loop.extent, renewed(loop.body))
        return seq(*(part for part in (before, self.inside(middle), after) if part.extent != Const(0)))

    def inside(self, loop: For) -> For:
        self.bounds[loop.var] = (0, self.simple(loop.extent - 1))
        result = self.rebuild(loop)
        del self.bounds[loop.var]
        return result

    def shifted(self, loop: For, begin: Expr, end: Expr, body: Stmt) -> For:
        """The iterations from `begin` to before `end`."""
        var = Var(loop.var.name, loop.var.type)
        moved = substitute(body, {loop.var: self.simple(begin + var)})
        return dataclasses.replace(loop, var=var, extent=self.simple(end - begin), body=moved)

    def cut(self, loop: For) -> tuple[Expr, Expr, Stmt] | None:
        """The first iteration in which conditions hold, the one after the last, and the body there."""
        low: Expr = Const(0, loop.var.type)
        high = loop.extent
        solved: list[Expr] = []
        inner = {part.var: (low, part.extent) for part in walk(loop.body) if isinstance(part, For)}
        for condition in dict.fromkeys(_conditions(loop.body)):
            limit = self.limit(condition, loop.var, inner)
            if limit is None:
                continue
            solved.append(condition)
            begins, value = limit
            low, high = (maximum(low, value), high) if begins else (low, minimum(high, value))
        low = self.simple(minimum(low, loop.extent))
        high = self.simple(maximum(high, low))
        if not solved or self.simple(high <= low) == TRUE:
            return None
        return low, high, renewed(_without(loop.body, solved))

    def limit(self, condition: Expr, var: Var, inner: Mapping[Var, tuple[Expr, Expr]]) -> tuple[bool, Expr] | None:
        """The value of `var` from which on (True), or before which (False), `condition` is sure to hold."""
        if not (isinstance(condition, Binary) and condition.op in (Op.LT, Op.LE) and is_index(condition.a)):
            return None
        difference = condition.a - condition.b
        parts = linear(difference, [var]) if is_index(difference) else None
        if parts is None or not parts[0][var]:
            return None
        by, rest = parts[0][var], parts[1]
        most = relax(rest, {of: span for of, span in inner.items() if of in free_vars(rest)}, self.bounds)
        if most is None or any(of in inner or of is var for of in free_vars(most[1])):
            return None
        slack = self.simple(most[1] + (1 if condition.op is Op.LT else 0))
        if by > 0:
            return False, self.simple(-slack // by + 1)
        return True, self.simple((slack - by - 1) // -by)


def _conditions(body: Stmt) -> Iterator[Expr]:
    for part in walk(body):
        if isinstance(part, If) or (isinstance(part, Select) and part.guard):
            yield from conjuncts(part.condition)


def _without(body: Stmt, conditions: list[Expr]) -> Stmt:
    """`body` where `conditions` hold."""

    def change(node: Node) -> Node | None:
        return TRUE if isinstance(node, Binary) and node in conditions else None

    return transform(body, change)
