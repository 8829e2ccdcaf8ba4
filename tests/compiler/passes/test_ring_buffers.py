"""Buffers with copies use them in turn, and the program computes what it did."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.passes.ring_buffers import ring_buffers
from dovetail.compiler.tir.expr import Const, Expr, Load, Var, equal, minimum
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import Buffer, Copy, For, If, Invoke, LoopKind, Program, Region, Stmt, Store, seq
from dovetail.compiler.tir.structure import allocated
from dovetail.compiler.tir.verifier import check
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.compiler.vdla.primitives import alu, fill
from dovetail.isa.instructions import AluOp, AluSource
from tests.compiler.passes.unit_programs import allocate, on_chip, one, operand, whole

WIDTH, ROWS, COLUMNS = 4, 3, 5


def stage(y: Expr, x: Expr, inp: Buffer, acc: Buffer, a: Buffer, c: Buffer) -> Stmt:
    """C[y, x] = A[y, x] + A[y, x + 1], by way of the chip."""

    def source(place: Expr) -> Region:
        return Region(a, (one(y), one(place), *whole(inp).ranges))

    add = Invoke(alu(AluOp.ADD, AluSource.INP), (operand(acc),), (operand(inp),))
    return seq(
        Invoke(fill(), (operand(acc),)),
        Copy(whole(inp), source(x)),
        add,
        Copy(whole(inp), source(x + 1)),
        add,
        Copy(Region(c, (one(y), one(x), *whole(acc).ranges)), whole(acc)),
    )


def pipeline(nest: str, copies: int) -> Program:
    a = Buffer("A", (Const(ROWS), Const(COLUMNS + 1), Const(WIDTH)), "int8")
    c = Buffer("C", (Const(ROWS), Const(COLUMNS), Const(WIDTH)), "int32")
    inp = on_chip("inp", WIDTH, copies=copies)
    acc = on_chip("acc", WIDTH, copies=copies, scope=ACC_BUFFER)
    y, x, part = Var("y"), Var("x"), Var("part")
    used = (inp, acc, a, c)
    tile = stage(y, x, *used)
    rows, columns = Const(ROWS), Const(COLUMNS)
    split = stage(y, x * 2 + part, *used)
    nests: dict[str, Stmt] = {
        "loops": For(y, rows, For(x, columns, tile)),
        "ragged": For(y, rows, For(x, Const(3), For(part, minimum(2, COLUMNS - x * 2), split))),
        "twice": For(y, rows, For(x, Const(2), seq(tile, stage(y, x + 2, *used)))),
        "condition": For(y, rows, If(equal(y, 1), For(x, columns, tile))),
        "condition inside": For(y, rows, For(x, columns, If(equal(x % 2, 0), tile))),
        "threads": For(y, rows, For(x, columns, tile), LoopKind.VTHREAD),
        "no loop": stage(Const(1), Const(2), *used),
    }
    return Program("main", (a, c), allocate([inp, acc], nests[nest]))


NUMBERS = {
    "loops": "(y*5+x)",
    "ragged": "part",
    "twice": "(y*2+x)",
    "condition": "x",
    "condition inside": "(y*5+x)",
    "threads": None,
    "no loop": None,
}


@pytest.mark.parametrize("nest", list(NUMBERS))
@given(copies=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=5, deadline=None)
def test_results_stay_the_same(nest: str, copies: int, seed: int) -> None:
    program = pipeline(nest, copies)
    changed = ring_buffers(assign_units(program))
    check(changed)
    rng = np.random.default_rng(seed)
    a = rng.integers(-128, 128, (ROWS, COLUMNS + 1, WIDTH), np.int8)
    before, after = (np.zeros((ROWS, COLUMNS, WIDTH), np.int32) for _ in range(2))
    run(program, a, before)
    run(changed, a, after)
    np.testing.assert_array_equal(after, before)
    assert before.any()


@pytest.mark.parametrize("nest", list(NUMBERS))
def test_the_copy_in_use_is_the_number_of_the_iteration(nest: str) -> None:
    changed = ring_buffers(assign_units(pipeline(nest, 3)))
    number = NUMBERS[nest]
    assert number is None or f"inp[{number}%3]" in str(changed)
    shapes = {buffer.name: (buffer.extents, buffer.copies) for buffer in allocated(changed)}
    wanted = ((WIDTH,), 1) if number is None else ((3, WIDTH), 3)
    assert shapes == {"inp": wanted, "acc": wanted}


def test_elements_that_are_loaded_and_stored_one_by_one_are_in_the_copy_too() -> None:
    a = Buffer("A", (Const(4),), "int32")
    acc = on_chip("acc", 1, copies=2, scope=ACC_BUFFER)
    x = Var("x")
    body = seq(
        Copy(whole(acc), Region(a, (one(x),))),
        Invoke(alu(AluOp.ADD, AluSource.ACC), (operand(acc),), (operand(acc),)),
        Store(acc, (Const(0),), Load(acc, (Const(0),)) + 1),
        Copy(Region(a, (one(x),)), whole(acc)),
    )
    program = ring_buffers(assign_units(Program("main", (a,), allocate([acc], For(x, Const(4), body)))))
    array = np.arange(4, dtype=np.int32)
    check(program)
    run(program, array)
    np.testing.assert_array_equal(array, [1, 3, 5, 7])
