"""Virtual threads become one stream, in which each unit does for one thread what it can before it waits for another."""

from __future__ import annotations

import pytest

from dovetail.compiler.passes.lower_vthreads import lower_vthreads
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir.expr import Const, Expr, Var, equal, minimum
from dovetail.compiler.tir.stmt import Buffer, Copy, For, If, Invoke, LoopKind, Operand, Program, Region, Stmt, seq
from dovetail.compiler.tir.verifier import check
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.compiler.vdla.primitives import alu
from dovetail.isa.instructions import AluOp, AluSource
from tests.compiler.passes.unit_machine import interleaved, sequential
from tests.compiler.passes.unit_programs import allocate, assign_units, on_chip, one, whole, with_tokens

ROWS = 4


def threaded(extent: Expr | int = 2, condition: Expr | None = None, steps: Expr | None = None) -> Program:
    """Each thread loads vectors and adds them to its sum, a row at a time."""
    tx, k, row = Var("tx"), Var("k"), Var("row")
    a = Buffer("A", (Const(8), Const(2), Const(ROWS), Const(8)), "int8")
    al, cl = on_chip("AL", ROWS, 8), on_chip("CL", ROWS, 8, scope=ACC_BUFFER)
    rows = whole(al).ranges
    load = Copy(whole(al), Region(a, (one(k), one(tx), *rows)))
    operands = [Operand(Region(buffer, (one(row), rows[1])), (None, 1)) for buffer in (cl, al)]
    add = alu(AluOp.ADD, AluSource.INP, name="add")
    work: Stmt = seq(load, For(row, Const(ROWS), Invoke(add, (operands[0],), (operands[1],))))
    if condition is not None:
        work = If(equal(k % 2, 0) if condition is True else condition, work)
    count = as_steps(steps, tx)
    body = allocate([cl, al], For(k, count, work))
    threads = Const(extent) if isinstance(extent, int) else extent
    return Program("main", (a,), For(tx, threads, body, LoopKind.VTHREAD))


def as_steps(steps: Expr | None, tx: Var) -> Expr:
    return Const(8) if steps is None else minimum(8, tx * 3 + 2)


INNER_LOOPS = """\
acc_buffer CL[2][4][8]
inp_buffer AL[2][4][8]
ex.push_dep_to(ld)
ex.push_dep_to(ld)
for k in range(8):
    ld.pop_dep_from(ex)
    ld.dma_copy2d(AL[0], A[k][0])
    ld.push_dep_to(ex)
    ld.pop_dep_from(ex)
    ld.dma_copy2d(AL[1], A[k][1])
    ld.push_dep_to(ex)
    ex.pop_dep_from(ld)
    for row in range(4):
        ex.add(CL[0][row], AL[0][row])
    ex.push_dep_to(ld)
    ex.pop_dep_from(ld)
    for row in range(4):
        ex.add(CL[1][row], AL[1][row])
    ex.push_dep_to(ld)
ld.pop_dep_from(ex)
ld.pop_dep_from(ex)"""


def test_a_loop_of_one_unit_is_part_of_its_thread_s_turn() -> None:
    program = simplify(with_tokens(threaded()))
    check(program)
    assert str(program) == INNER_LOOPS
