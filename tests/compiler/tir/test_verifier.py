"""What the verifier refuses, each with the rule and the place."""

from __future__ import annotations

import pytest

from dovetail.compiler.tir.expr import Binary, Broadcast, Const, Expr, Load, Math, Not, Op, Ramp, Range, Select, Var
from dovetail.compiler.tir.stmt import (
    Allocate,
    Barrier,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Primitive,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.verifier import VerificationError, check
from dovetail.isa.instructions import Unit

x, y, n = Var("x"), Var("y"), Var("n")
A = Buffer("A", (n, Const(8)), "int32")
B = Buffer("B", (Const(8), Const(8)), "int8")
T = Buffer("T", (Const(8),), "int32", "local")
NOTHING = Primitive("nothing", None, lambda outputs, inputs: None)


def program(body: Stmt) -> Program:
    return Program("main", (A, B), body, (n,))


def in_loop(body: Stmt) -> Stmt:
    return For(x, Const(8), body)


def store(value: Expr, *indices: Expr) -> Stmt:
    return Store(A, indices or (x, x), value)


def box(buffer: Buffer, *extents: int) -> Region:
    return Region(buffer, tuple(Range(Const(0), Const(extent)) for extent in extents))


def test_a_well_formed_program() -> None:
    ramp = Ramp(Const(0), 1, 8)
    body = seq(
        Allocate(T, in_loop(Store(T, (x,), Select(x < n, Load(A, (x, x)), Const(0), guard=True)))),
        For(y, Const(8), Store(A, (y, ramp), Load(A, (y, ramp)) + Broadcast(y, 8))),
        Invoke(NOTHING, (Operand(box(B, 1, 8), (None, 1)),)),
        Copy(box(B, 8, 1), box(B, 1, 8)),
    )
    check(program(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (store(Const(0)), "x is not bound in A[x][x] = 0"),
        (seq(in_loop(Seq()), in_loop(Seq())), "x is bound a second time in for x in range(8): ..."),
        (in_loop(Store(T, (x,), Const(0))), "T is not allocated in T[x] = 0"),
        (seq(Allocate(T, Seq()), Allocate(T, Seq())), "T is allocated a second time in local T[8]"),
        (in_loop(store(Const(0), x)), "Store needs an integer index for each axis in A[x] = 0"),
        (in_loop(store(Load(B, (x, Const(0.0, "float32"))))), "Store needs a value of the buffer's dtype and lanes"),
        (
            in_loop(store(Load(A, (x, Const(0.5, "float32"))))),
            "Load needs an integer index for each axis: A[x][0.5]",
        ),
        (in_loop(store(Binary(Op.ADD, x, Const(1, "int64")))), "Binary needs operands of one dtype: x + 1 in A[x][x]"),
        (in_loop(store(Select(x, x, x))), "Select needs a boolean condition"),
        (If(Not(n), Seq()), "If needs a scalar boolean condition in if not n:"),
        (in_loop(store(Math("cot", (x,)))), "Math needs a known function, with its number of arguments: cot(x)"),
        (in_loop(store(Const(1.5))), "Const needs a number of its dtype: 1.5"),
        (For(x, Const(8), Seq(), LoopKind.THREAD), "For needs a thread axis if of kind THREAD, and only then"),
        (Seq((Seq(), Seq())), "Seq needs no Seq in a Seq"),
        (
            Allocate(Buffer("S", (n,), "int8"), Seq()),
            "Allocate needs extents that are numbers, 1 or more in",
        ),
        (Copy(box(B, 4, 8), box(B, 8, 4)), "Copy needs regions of the same extents, but for 1"),
        (Copy(box(B, 8), box(B, 8, 1)), "Region needs a range for each axis in vdla.dma_copy2d"),
        (
            Invoke(NOTHING, (Operand(box(B, 8, 8), (1, 1)),)),
            "Invoke needs operands of different axes",
        ),
        (
            Invoke(NOTHING, (Operand(box(B, 8, 8), (1,)),), (Operand(box(B, 4, 8), (1,)),)),
            "Invoke needs the same other axes in all operands, or extent 1 there",
        ),
        (Push(Unit.LOAD, Unit.LOAD), "Push needs another unit as peer in ld.push_dep_to(ld)"),
        (Barrier(), "a barrier outside of the threads of a group in memory_barrier_among_threads()"),
    ],
)
def test_refusals(body: Stmt, message: str) -> None:
    with pytest.raises(VerificationError) as error:
        check(program(body))
    assert str(error.value).startswith(f"main: {message}")


def test_sizes_must_be_known() -> None:
    with pytest.raises(VerificationError, match="main: n is not bound"):
        check(Program("main", (A,), Seq()))
    with pytest.raises(VerificationError, match="main: B is allocated a second time"):
        check(Program("main", (B, B), Seq()))
