"""Give ring buffers their copies: a leading axis, and which copy is in use in each iteration.

A buffer that is filled and used anew in each iteration of some loops, and has several copies, uses them in turn. So a
unit can fill the next copy while another still reads this one.
"""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.tir.expr import Const, Expr, Load, Range
from dovetail.compiler.tir.stmt import Allocate, Buffer, Operand, Program, Region, Stmt, Store
from dovetail.compiler.tir.structure import Node, replace_buffers, transform

from .carrying import chain


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
    turns = chain(allocate.body, buffer)
    if turns is None:
        single = replace(buffer, copies=1)
        return replace_buffers(allocate, {buffer: single})
    copies = buffer.copies
    ring = replace(buffer, shape=(Const(copies), *buffer.shape))
    number: Expr = turns.loops[0].var
    for loop in turns.loops[1:]:
        number = number * loop.extent + loop.var
    return Allocate(ring, _indexed(allocate.body, buffer, ring, number % copies))


def _indexed(body: Stmt, buffer: Buffer, ring: Buffer, copy: Expr) -> Stmt:
    def change(node: Node) -> Node | None:
        match node:
            case Region() if node.buffer is buffer:
                return Region(ring, (Range(copy, Const(1)), *node.ranges))
            case Operand() if node.region.buffer is ring:
                return Operand(node.region, tuple(None if axis is None else axis + 1 for axis in node.axes))
            case Load() if node.buffer is buffer:
                return Load(ring, (copy, *node.indices))
            case Store() if node.buffer is buffer:
                return Store(ring, (copy, *node.indices), node.value)
        return None

    return transform(body, change)
