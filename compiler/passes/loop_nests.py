"""Loop nests around single stores, and passes that replace them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dovetail.compiler.tir.expr import Expr, Load, Var
from dovetail.compiler.tir.simplifier import Simplifier, conjuncts
from dovetail.compiler.tir.stmt import For, If, Stmt, Store
from dovetail.compiler.tir.structure import Rewriter, free_vars, walk
from dovetail.compiler.vdla.scopes import ON_CHIP

from .errors import MappingError

Bounds = Mapping[Var, tuple[Expr | int, Expr | int]]


@dataclass(frozen=True)
class Nest:
    """Loops, outermost first, around one store, which is executed where `conditions` hold.

    Attributes
    ----------
    value:
        What is stored, simplified.
    bounds:
        Of the variables of these loops and of those around.
    """

    loops: tuple[For, ...]
    conditions: tuple[Expr, ...]
    store: Store
    value: Expr
    bounds: Bounds

    @property
    def target(self) -> Load:
        """The element that is stored to, as an expression."""
        return Load(self.store.buffer, self.store.indices)

    def loads(self) -> list[Load]:
        """What the value reads."""
        return [part for part in walk(self.value) if isinstance(part, Load)]

    def on_accelerator(self) -> bool:
        """Whether the machine's memories are touched."""
        return any(load.buffer.scope in ON_CHIP for load in (self.target, *self.loads()))

    def error(self, reason: str) -> MappingError:
        """The error that says that this nest cannot be mapped."""
        names = ", ".join(loop.var.name for loop in self.loops)
        where = f"loops {names} that compute" if names else "the store to"
        return MappingError(f"{where} {self.store.buffer.name}: {reason}")


class NestRewriter(Rewriter, ABC):
    """Replaces nests: `nest` gives what to put in a nest's place, or None to keep it."""

    def __init__(self) -> None:
        self.bounds: dict[Var, tuple[Expr | int, Expr | int]] = {}

    @abstractmethod
    def nest(self, nest: Nest) -> Stmt | None:
        """What replaces a nest, or None."""

    def visit_for(self, loop: For) -> Stmt:
        replaced = self.replaced(loop)
        if replaced is not None:
            return replaced
        self.bounds[loop.var] = (0, loop.extent - 1)
        body = self(loop.body)
        del self.bounds[loop.var]
        return dataclasses.replace(loop, body=body)

    def visit_if(self, stmt: If) -> Stmt:
        return self.replaced(stmt) or self.rebuild(stmt)

    def visit_store(self, stmt: Store) -> Stmt:
        return self.replaced(stmt) or stmt

    def replaced(self, stmt: Stmt) -> Stmt | None:
        nest = self.nest_of(stmt)
        return None if nest is None else self.nest(nest)

    def nest_of(self, stmt: Stmt) -> Nest | None:
        loops: list[For] = []
        conditions: list[Expr] = []
        bounds = dict(self.bounds)
        while not isinstance(stmt, Store):
            if isinstance(stmt, For):
                loops.append(stmt)
                bounds[stmt.var] = (0, stmt.extent - 1)
                stmt = stmt.body
            elif isinstance(stmt, If) and stmt.orelse is None:
                conditions.extend(conjuncts(stmt.condition))
                stmt = stmt.then
            else:
                return None
        simple = Simplifier(bounds, list(map(Simplifier(bounds), conditions)))
        store = dataclasses.replace(stmt, indices=tuple(map(simple, stmt.indices)))
        return Nest(tuple(loops), tuple(conditions), store, simple(stmt.value), bounds)


def around(loops: Iterable[For], conditions: Sequence[Expr], stmt: Stmt) -> Stmt:
    """`stmt` in loops, outermost first, where conditions hold."""
    for condition in reversed(conditions):
        stmt = If(condition, stmt)
    for loop in reversed(list(loops)):
        stmt = dataclasses.replace(loop, body=stmt)
    return stmt


def uses(variables: Iterable[Var], exprs: Iterable[Expr]) -> bool:
    """Whether one of the variables occurs in one of the expressions."""
    wanted = set(variables)
    return any(var in wanted for expr in exprs for var in free_vars(expr))
