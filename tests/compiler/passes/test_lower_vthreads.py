"""Virtual threads become one stream, in which each unit does for one thread what it can before it waits for another."""

from __future__ import annotations

import pytest

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.passes.lower_vthreads import lower_vthreads
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir.expr import Const, Var, equal, minimum
from dovetail.compiler.tir.stmt import Buffer, Copy, For, If, Invoke, LoopKind, Operand, Program, Region, Stmt, seq
from dovetail.compiler.tir.verifier import check
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.compiler.vdla.primitives import alu
from dovetail.isa.instructions import AluOp, AluSource
from tests.compiler.passes.unit_machine import interleaved, sequential
from tests.compiler.passes.unit_programs import allocate, on_chip, one, whole, with_tokens

ROWS = 4


def threaded(kind: str = "plain") -> Program:
    """Each thread loads blocks of rows and adds them to its sums, a row at a time."""
    tx, k, row, n = Var("tx"), Var("k"), Var("row"), Var("n")
    a = Buffer("A", (Const(8), Const(2), Const(ROWS), Const(8)), "int8")
    al, cl = on_chip("AL", ROWS, 8), on_chip("CL", ROWS, 8, scope=ACC_BUFFER)
    rows = whole(al).ranges
    load = Copy(whole(al), Region(a, (one(k), one(tx), *rows)))
    operands = [Operand(Region(buffer, (one(row), rows[1])), (None, 1)) for buffer in (cl, al)]
    add = Invoke(alu(AluOp.ADD, AluSource.INP, name="add"), (operands[0],), (operands[1],))
    work: Stmt = seq(load, For(row, Const(ROWS), add))
    conditions = {"alike": equal(k % 2, 0), "apart": equal(k % 2, tx)}
    if kind in conditions:
        work = If(conditions[kind], work)
    steps = minimum(8, tx * 3 + 2) if kind == "ragged" else Const(8)
    threads = n if kind == "symbolic" else Const(2)
    body = allocate([cl, al], For(k, steps, work))
    return Program("main", (a,), For(tx, threads, body, LoopKind.VTHREAD), (n,) if kind == "symbolic" else ())


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


@pytest.mark.parametrize("kind", ["plain", "alike", "apart", "ragged"])
def test_threads_do_what_each_did_alone(kind: str) -> None:
    program = with_tokens(threaded(kind))
    check(program)
    assert interleaved(program, 0) == sequential(assign_units(threaded(kind)))


@pytest.mark.parametrize(("kind", "loops"), [("plain", 1), ("alike", 1), ("apart", 1), ("ragged", 2)])
def test_loops_that_all_threads_share_stay_one(kind: str, loops: int) -> None:
    assert str(with_tokens(threaded(kind))).count("for k in") == loops


@pytest.mark.parametrize(("kind", "conditions"), [("alike", 1), ("apart", 2)])
def test_conditions_on_which_all_threads_agree_stay_one(kind: str, conditions: int) -> None:
    assert str(with_tokens(threaded(kind))).count("if ") == conditions


def test_the_number_of_threads_is_known() -> None:
    with pytest.raises(ValueError, match="virtual threads tx: their number must be constant, not n"):
        lower_vthreads(threaded("symbolic"))
