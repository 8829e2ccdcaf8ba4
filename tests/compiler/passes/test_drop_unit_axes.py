"""Buffers lose the axes along which there is only one element; what the program computes stays."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.passes.drop_unit_axes import drop_unit_axes
from dovetail.compiler.tir.expr import Const, Load, Range, Var
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import (
    GLOBAL,
    LOCAL,
    Allocate,
    Buffer,
    Copy,
    For,
    Invoke,
    Operand,
    Primitive,
    Program,
    Region,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import allocated, walk
from dovetail.compiler.tir.verifier import check

ROWS, COLUMNS = 3, 4


def buffer(name: str, *shape: int, scope: str = GLOBAL) -> Buffer:
    return Buffer(name, tuple(map(Const, shape)), "int32", scope)


def double(outputs: tuple[np.ndarray, ...], inputs: tuple[np.ndarray, ...]) -> None:
    assert outputs[0].shape == inputs[0].shape == (1, COLUMNS)
    outputs[0][...] = 2 * inputs[0]


def rows_doubled_and_summed() -> Program:
    """Each row of A is copied, doubled by a primitive on 1 by 4 elements, and summed in one element."""
    a, total = buffer("A", ROWS, COLUMNS), buffer("S", ROWS)
    row, twice = buffer("row", 1, COLUMNS, scope=LOCAL), buffer("twice", 1, COLUMNS, 1, scope=LOCAL)
    one, out = buffer("one", 1, 1, scope=LOCAL), buffer("out", 1, COLUMNS)
    i, j, k, zero = Var("i"), Var("j"), Var("k"), Const(0)
    whole = Range(zero, Const(COLUMNS))
    single = Range(zero, Const(1))
    sums = (zero, zero)
    body = seq(
        Copy(Region(row, (single, whole)), Region(a, (Range(i, Const(1)), whole))),
        Invoke(
            Primitive("double", None, double),
            (Operand(Region(twice, (single, whole, single)), (2, 1)),),
            (Operand(Region(row, (single, whole)), (0, 1)),),
        ),
        Store(one, sums, Const(0, "int32")),
        For(j, Const(COLUMNS), Store(out, (zero, j), Load(twice, (zero, j, zero)))),
        For(k, Const(COLUMNS), Store(one, sums, Load(one, sums) + Load(out, (zero, k)))),
        Store(total, (i,), Load(one, sums)),
    )
    for each in (out, one, twice, row):
        body = Allocate(each, body)
    return Program("main", (a, total), For(i, Const(ROWS), body))


def test_the_program_computes_the_same() -> None:
    program = drop_unit_axes(rows_doubled_and_summed())
    check(program)
    rows = np.arange(ROWS * COLUMNS, dtype=np.int32).reshape(ROWS, COLUMNS)
    result = np.zeros(ROWS, np.int32)
    run(program, rows, result)
    np.testing.assert_array_equal(result, 2 * rows.sum(axis=1))


def test_one_axis_is_left_and_dram_keeps_its_own() -> None:
    program = drop_unit_axes(rows_doubled_and_summed())
    shapes = {each.name: each.extents for each in allocated(program)}
    assert shapes == {"row": (COLUMNS,), "twice": (COLUMNS,), "one": (1,), "out": (1, COLUMNS)}
    (invoke,) = (node for node in walk(program) if isinstance(node, Invoke))
    assert [operand.axes for operand in (*invoke.outputs, *invoke.inputs)] == [(None, 0), (None, 0)]
    assert drop_unit_axes(program) is program
