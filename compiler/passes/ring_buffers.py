"""Give ring buffers their copies: a leading axis, and which copy is in use in each iteration.

A buffer that is filled and used anew in each iteration of some loops, and has several copies, uses them in turn. So a
unit can fill the next copy while another still reads this one.
"""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.tir.expr import Const, Expr, Range
from dovetail.compiler.tir.stmt import Allocate, Buffer, For, If, LoopKind, Operand, Program, Region, Seq, Stmt
from dovetail.compiler.tir.structure import Node, transform

from .carrying import Chain, carries, chain, phases


def ring_buffers(program: Program) -> Program:
    """Write the copies of each ring buffer into its shape and into every region of it.

    The loops that take turns are a chain (see `carrying`). A buffer without such loops gets one copy.
    """

    def change(node: Node) -> Node | None:
        if isinstance(node, Allocate) and node.buffer.copies > 1:
            return _ring(node)
        return None

    return transform(program, change)


def _ring(allocate: Allocate) -> Stmt:
    buffer = allocate.buffer
    turns = rotation(allocate.body, buffer)
    if turns is None:
        single = replace(buffer, copies=1)
        return Allocate(single, _indexed(allocate.body, buffer, single, None))
    copies = buffer.copies
    ring = replace(buffer, shape=(Const(copies), *buffer.shape))
    number: Expr = Const(0)
    for loop in turns.loops:
        number = number * loop.extent + loop.var
    return Allocate(ring, _indexed(allocate.body, buffer, ring, number % copies))


def rotation(body: Stmt, buffer: Buffer) -> Chain | None:
    """The outermost chain that may carry `buffer`'s copies."""
    match body:
        case For(kind=LoopKind.VTHREAD):
            return None
        case For() if len(phases(body, buffer)) > 1:
            found = chain(body, buffer)
            return found if carries(found) else rotation(body.body, buffer)
        case For() | Allocate():
            return rotation(body.body, buffer)
        case Seq():
            using = [child for child in body.body if phases(child, buffer)]
            return rotation(using[0], buffer) if len(using) == 1 else None
        case If():
            return rotation(body.then, buffer) if body.orelse is None else None
    return None


def _indexed(body: Stmt, buffer: Buffer, ring: Buffer, copy: Expr | None) -> Stmt:
    lead = () if copy is None else (Range(copy, Const(1)),)

    def change(node: Node) -> Node | None:
        match node:
            case Region() if node.buffer is buffer:
                return Region(ring, (*lead, *node.ranges))
            case Operand() if node.region.buffer is ring and lead:
                return Operand(node.region, tuple(None if axis is None else axis + 1 for axis in node.axes))
        return None

    return transform(body, change)
