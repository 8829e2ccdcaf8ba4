"""Loop programs as text, for people and tests: the nest of loops, like Python."""

from __future__ import annotations

from collections.abc import Iterator

from dovetail.isa.instructions import Unit

from .expr import Binary, Const, Expr, Load, Op, Ramp, Range
from .expr_text import box_text, buffer_text, expr_text, index_text, number_text, region_text
from .stmt import (
    LOCAL,
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
from .structure import Node, free_vars

UNIT_PREFIX = {Unit.LOAD: "ld", Unit.COMPUTE: "ex", Unit.STORE: "st"}
"""How units print."""

_INDENT = "    "
_GROUPS = {"blockIdx": "thread_group", THREADS_OF_GROUP: "thread_item"}


def show(node: Node, prefix: str = "vdla") -> str:
    """The text of a node.

    Parameters
    ----------
    prefix:
        What stands before the names of primitives that have no unit yet; a program knows its own.
    """
    match node:
        case Program():
            return "\n".join(_Printer(node.prefix).stmt(node.body))
        case Stmt():
            return "\n".join(_Printer(prefix).stmt(node))
        case Region():
            return region_text(node)
        case Operand():
            return region_text(node.region)
        case Range():
            return box_text((node,))
        case Expr():
            return expr_text(node)


class _Printer:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def stmt(self, stmt: Stmt) -> Iterator[str]:
        """The lines of a statement."""
        match stmt:
            case For(kind=LoopKind.THREAD):
                yield from self.threads(stmt)
            case For():
                yield from self.loop(stmt)
            case Store(buffer, indices, value):
                yield _store(buffer, indices, value)
            case If(condition, then, orelse):
                yield f"if {expr_text(condition)}:"
                yield from self.nested(then)
                if orelse is not None:
                    yield "else:"
                    yield from self.nested(orelse)
            case Seq(body):
                for part in body:
                    yield from self.stmt(part)
            case Allocate():
                yield from self.allocations(stmt)
            case Copy(dst, src, padding, unit):
                pad = f", padding={number_text(padding)}" if padding else ""
                yield f"{self.name(unit)}.dma_copy2d({region_text(dst, one_bracket=True)}, {region_text(src)}{pad})"
            case Invoke():
                yield self.invoke(stmt)
            case Push(unit, peer):
                yield f"{UNIT_PREFIX[unit]}.push_dep_to({UNIT_PREFIX[peer]})"
            case Pop(unit, peer):
                yield f"{UNIT_PREFIX[unit]}.pop_dep_from({UNIT_PREFIX[peer]})"
            case Barrier():
                yield "memory_barrier_among_threads()"
            case _:
                raise TypeError(f"no text for {type(stmt).__name__}")

    def name(self, unit: Unit | None) -> str:
        return self.prefix if unit is None else UNIT_PREFIX[unit]

    def nested(self, stmt: Stmt) -> Iterator[str]:
        lines = list(self.stmt(stmt)) or ["pass"]
        return (_INDENT + line for line in lines)

    def loop(self, loop: For) -> Iterator[str]:
        filled = constant_fill(loop)
        if filled is not None:
            region, value = filled
            yield f"{region.buffer.name}{box_text(region.ranges)} = {expr_text(value)}"
            return
        kind = "" if loop.kind is LoopKind.SERIAL else f"{loop.kind.value} "
        pragmas = ", ".join(key if value is True else f"{key}={value}" for key, value in loop.pragmas)
        note = f"  # {pragmas}" if pragmas else ""
        yield f"for {kind}{loop.var.name} in range({expr_text(loop.extent)}):{note}"
        yield from self.nested(loop.body)

    def threads(self, loop: For) -> Iterator[str]:
        """Loops over the axes of one grid, in one line."""
        level = loop.thread.partition(".")[0]
        names, extents, body = [loop.var.name], [expr_text(loop.extent)], loop.body
        while isinstance(body, For) and body.kind is LoopKind.THREAD and body.thread.startswith(f"{level}."):
            names.append(body.var.name)
            extents.append(expr_text(body.extent))
            body = body.body
        yield f"for {_GROUPS.get(level, level)} ({', '.join(names)}) in cross({', '.join(extents)}):"
        yield from self.nested(body)

    def allocations(self, stmt: Stmt) -> Iterator[str]:
        """Declarations of nested allocations, a line for neighbours of one scope, then what they are for."""
        buffers: list[Buffer] = []
        while isinstance(stmt, Allocate):
            buffers.append(stmt.buffer)
            stmt = stmt.body
        rest = list(stmt.body) if isinstance(stmt, Seq) else [stmt]
        initial: dict[Buffer, Expr] = {}
        while rest and (filled := constant_fill(rest[0])) is not None and _declares(filled[0], buffers, initial):
            initial[filled[0].buffer] = filled[1]
            rest.pop(0)
        line, scope = "", ""
        for buffer in buffers:
            text = buffer_text(buffer)
            if line and buffer.scope == scope and buffer not in initial:
                line += f", {text}"
                continue
            if line:
                yield line
            line, scope = f"{buffer.scope} {text}", buffer.scope
            if buffer in initial:
                yield f"{line} = {expr_text(initial[buffer])}"
                line = ""
        if line:
            yield line
        for part in rest:
            yield from self.stmt(part)

    def invoke(self, stmt: Invoke) -> str:
        primitive = stmt.primitive
        order = (
            (stmt.inputs, stmt.outputs) if ("inputs_first", True) in primitive.fields else (stmt.outputs, stmt.inputs)
        )
        operands = ", ".join(region_text(operand.region) for group in order for operand in group)
        return f"{self.name(stmt.unit)}.{primitive.name}({operands})"


def constant_fill(stmt: Stmt) -> tuple[Region, Const] | None:
    """The box and the number, if `stmt` is a nest of serial loops that stores one number all over a box."""
    loops: list[For] = []
    while isinstance(stmt, For) and stmt.kind is LoopKind.SERIAL and not stmt.pragmas:
        loops.append(stmt)
        stmt = stmt.body
    if not loops or not isinstance(stmt, Store) or not isinstance(stmt.value, Const):
        return None
    open_loops = {loop.var: loop for loop in loops}
    variables = set(open_loops)
    if any(var in variables for loop in loops for var in free_vars(loop.extent)):
        return None
    ranges = []
    for index in stmt.indices:
        inside = [var for var in free_vars(index) if var in variables]
        if any(var not in open_loops for var in inside):
            return None
        if isinstance(index, Ramp) and not inside:
            ranges.append(Range(index.base, Const(index.lanes), index.stride))
            continue
        if not inside:
            ranges.append(Range(index, Const(1)))
            continue
        loop = open_loops.pop(inside[0])
        if index == loop.var:
            ranges.append(Range(Const(0), loop.extent))
        elif isinstance(index, Binary) and index.op is Op.ADD and loop.var in (index.a, index.b):
            begin = index.a if index.b == loop.var else index.b
            if any(var in inside for var in free_vars(begin)):
                return None
            ranges.append(Range(begin, loop.extent))
        else:
            return None
    return None if open_loops else (Region(stmt.buffer, tuple(ranges)), stmt.value)


def _declares(region: Region, buffers: list[Buffer], initial: dict[Buffer, Expr]) -> bool:
    """Whether filling `region` can be told in the declaration of its buffer."""
    buffer = region.buffer
    whole = region.ranges == tuple(Range(Const(0), extent) for extent in buffer.shape)
    return whole and buffer.scope == LOCAL and buffer in buffers and buffer not in initial


def _store(buffer: Buffer, indices: tuple[Expr, ...], value: Expr) -> str:
    target = buffer.name + index_text(indices)
    if isinstance(value, Binary) and value.op is Op.ADD and value.a == Load(buffer, indices):
        return f"{target} += {expr_text(value.b)}"
    return f"{target} = {expr_text(value)}"
