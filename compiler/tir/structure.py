"""Walking and rewriting expressions, statements and programs.

A node is an expression, a statement, a program, or what these hold: `Region`, `Range`, `Operand`. Buffers are not
nodes: they are equal only to themselves, and `replace_buffers` exchanges them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from .expr import Const, Expr, Load, Range, Var
from .stmt import Allocate, Buffer, Copy, For, Invoke, Operand, Primitive, Program, Region, Seq, Stmt, Store, seq

Node = Expr | Stmt | Program | Region | Range | Operand
N = TypeVar("N", bound=Node)

_NODES = (Expr, Stmt, Region, Range, Operand, Program)


_fields: dict[type, tuple[str, ...]] = {}


def field_names(node: Node) -> tuple[str, ...]:
    """The names of a node's fields, in order."""
    names = _fields.get(type(node))
    if names is None:
        names = _fields[type(node)] = tuple(field.name for field in dataclasses.fields(node))
    return names


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order in which they print; the variable of a `For` is one of them."""
    found: list[Node] = []
    for name in field_names(node):
        value = getattr(node, name)
        if isinstance(value, _NODES):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(part for part in value if isinstance(part, _NODES))
    return tuple(found)


def walk(node: Node) -> Iterator[Node]:
    """`node` and all nodes below, each before those below it."""
    pending = [node]
    while pending:
        top = pending.pop()
        yield top
        pending.extend(reversed(children(top)))


def rebuild(node: N, rewrite: Callable[[Any], Any]) -> N:
    """`node` with `rewrite` applied to each child; `node` itself if none changed.

    The variable of a loop and the sizes of a program are not rewritten. A `Seq` is flattened.
    """
    if isinstance(node, Seq):
        body = [rewrite(stmt) for stmt in node.body]
        unchanged = all(new is old for new, old in zip(body, node.body, strict=True))
        return node if unchanged else cast(N, seq(*body))
    changed: dict[str, Any] = {}
    for name in field_names(node):
        value = getattr(node, name)
        if isinstance(value, _NODES):
            if name == "var" and isinstance(node, For):
                continue
            new = rewrite(value)
            if new is not value:
                changed[name] = new
        elif isinstance(value, tuple) and value and isinstance(value[0], _NODES):
            if isinstance(node, Program):
                continue
            parts = tuple(rewrite(part) for part in value)
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                changed[name] = parts
    return dataclasses.replace(cast(Any, node), **changed) if changed else node


class Rewriter:
    """Rewrites from the top: a method ``visit_for(self, node)`` decides for `For`, and so on for each class of nodes.

    Where a class has no method, its children are rewritten. Methods call `self.rebuild(node)` to have that done.
    """

    def __call__(self, node: N) -> N:
        visit = getattr(self, f"visit_{type(node).__name__.lower()}", None)
        return cast(N, visit(node)) if visit is not None else rebuild(node, self)

    def rebuild(self, node: N) -> N:
        """`node` with its children rewritten."""
        return rebuild(node, self)


def transform(node: N, change: Callable[[Node], Node | None]) -> N:
    """Rewrites from the bottom: each node, its children done, becomes what `change` gives; None keeps it."""

    def rewrite(old: Node) -> Node:
        new = rebuild(old, rewrite)
        result = change(new)
        return new if result is None else result

    return cast(N, rewrite(node))


def substitute(node: N, values: Mapping[Var, Expr]) -> N:
    """`node` with expressions in place of variables."""
    if not values:
        return node

    def rewrite(old: Node) -> Node:
        return values.get(old, old) if isinstance(old, Var) else rebuild(old, rewrite)

    return cast(N, rewrite(node))


def replace_buffers(node: N, buffers: Mapping[Buffer, Buffer]) -> N:
    """`node` with other buffers in place of those given, in allocations and a program's parameters too."""

    def rewrite(old: Node) -> Node:
        new = rebuild(old, rewrite)
        if isinstance(new, Load | Store | Region | Allocate) and new.buffer in buffers:
            return dataclasses.replace(new, buffer=buffers[new.buffer])
        if isinstance(new, Program) and any(param in buffers for param in new.params):
            return dataclasses.replace(new, params=tuple(buffers.get(param, param) for param in new.params))
        return new

    return cast(N, rewrite(node))


def renewed(node: N) -> N:
    """`node` with new variables in its loops and new buffers in its allocations, so that it can stand beside `node`."""
    variables: dict[Var, Expr] = {}
    buffers: dict[Buffer, Buffer] = {}
    for part in walk(node):
        if isinstance(part, For):
            variables[part.var] = Var(part.var.name, part.var.type)
        elif isinstance(part, Allocate):
            buffers[part.buffer] = dataclasses.replace(part.buffer)
    if not variables and not buffers:
        return node

    def rewrite(old: Node) -> Node:
        new = rebuild(old, rewrite) if not isinstance(old, Var) else variables.get(old, old)
        return dataclasses.replace(new, var=cast(Var, variables[new.var])) if isinstance(new, For) else new

    return replace_buffers(cast(N, rewrite(node)), buffers)


def free_vars(node: Node) -> tuple[Var, ...]:
    """Variables that are used but not bound by a loop of `node` itself, in the order of their first use."""
    used: dict[Var, None] = {}
    bound: set[Var] = set()
    for part in walk(node):
        if isinstance(part, For):
            bound.add(part.var)
        elif isinstance(part, Var):
            used.setdefault(part)
    return tuple(var for var in used if var not in bound)


def reads(node: Node) -> tuple[Buffer, ...]:
    """Buffers that are loaded from, copied from, or inputs of a primitive, in the order of their first use.

    The outputs of a primitive, which it may read as well, are in `writes` only.
    """
    found: dict[Buffer, None] = {}
    for part in walk(node):
        if isinstance(part, Load):
            found.setdefault(part.buffer)
        elif isinstance(part, Copy):
            found.setdefault(part.src.buffer)
        elif isinstance(part, Invoke):
            for operand in part.inputs:
                found.setdefault(operand.region.buffer)
    return tuple(found)


def writes(node: Node) -> tuple[Buffer, ...]:
    """Buffers that are stored to, copied to, or outputs of a primitive, in the order of their first use."""
    found: dict[Buffer, None] = {}
    for part in walk(node):
        if isinstance(part, Store):
            found.setdefault(part.buffer)
        elif isinstance(part, Copy):
            found.setdefault(part.dst.buffer)
        elif isinstance(part, Invoke):
            for operand in part.outputs:
                found.setdefault(operand.region.buffer)
    return tuple(found)


def allocated(node: Node) -> tuple[Buffer, ...]:
    """Buffers that `node` allocates, outermost first."""
    return tuple(part.buffer for part in walk(node) if isinstance(part, Allocate))


def structural_equal(a: Node, b: Node) -> bool:
    """Whether two nodes are the same but for which variables their loops bind and which buffers they allocate.

    Free variables and buffers equal only themselves, but the parameters and sizes of programs are compared by position.
    The names of variables and buffers, and of programs, do not matter.
    """
    return _Comparison().same(a, b)


class _Comparison:
    """Pairs bound variables and buffers as it meets them."""

    def __init__(self) -> None:
        self.pairs: dict[object, object] = {}
        self.taken: set[object] = set()

    def bind(self, a: Var | Buffer, b: Var | Buffer) -> None:
        self.pairs[a] = b
        self.taken.add(b)

    def same(self, a: Any, b: Any) -> bool:
        if isinstance(a, Var | Buffer):
            return self.pairs[a] is b if a in self.pairs else a is b and b not in self.taken
        if type(a) is not type(b):
            return False
        match a:
            case tuple():
                return len(a) == len(b) and all(map(self.same, a, b))
            case Const():
                return a.type == b.type and bool(a.value == b.value)
            case Primitive():
                return a is b or (a.name, a.unit, a.fields) == (b.name, b.unit, b.fields)
            case For():
                if not self.same(a.extent, b.extent) or a.var.type != b.var.type:
                    return False
                self.bind(a.var, b.var)
            case Allocate():
                if not self.alike(a.buffer, b.buffer):
                    return False
                self.bind(a.buffer, b.buffer)
            case Program():
                return self.programs(a, b)
        if isinstance(a, Expr | Stmt | Region | Range | Operand):
            return all(self.same(getattr(a, name), getattr(b, name)) for name in field_names(a))
        return bool(a == b)

    def alike(self, a: Buffer, b: Buffer) -> bool:
        """Whether two buffers may stand for each other."""
        return (a.dtype, a.scope, a.copies) == (b.dtype, b.scope, b.copies) and self.same(a.shape, b.shape)

    def programs(self, a: Program, b: Program) -> bool:
        if len(a.params) != len(b.params) or len(a.sizes) != len(b.sizes):
            return False
        for one, other in zip(a.sizes, b.sizes, strict=True):
            self.bind(one, other)
        for param, counterpart in zip(a.params, b.params, strict=True):
            if not self.alike(param, counterpart):
                return False
            self.bind(param, counterpart)
        return a.prefix == b.prefix and self.same(a.body, b.body)
