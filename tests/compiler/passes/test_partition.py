"""Loops cut at their conditions: the forms, and that the results stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.passes.partition import partition
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir.expr import Const, Expr, Load, Select, Var, all_of
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import Buffer, For, If, Program, Stmt, Store
from dovetail.compiler.tir.verifier import check

y, x, d, n = (Var(name) for name in ("y", "x", "d", "n"))


def buffer(name: str, *shape: int | Expr) -> Buffer:
    return Buffer(name, tuple(Const(extent) if isinstance(extent, int) else extent for extent in shape), "int32")


def loops(body: Stmt, *nest: tuple[Var, int | Expr]) -> Stmt:
    for var, extent in reversed(nest):
        body = For(var, Const(extent) if isinstance(extent, int) else extent, body)
    return body


def cut(body: Stmt, *params: Buffer, sizes: tuple[Var, ...] = ()) -> Program:
    result = simplify(partition(Program("main", params, body, sizes)))
    check(result)
    return result


def test_padding(golden: Callable[[object, str], None], rng: np.random.Generator) -> None:
    image, out = buffer("A", 4, 6), buffer("B", 6, 8)
    inside = all_of([y >= 1, y < 5, x >= 1, x < 7])
    padded = Select(inside, Load(image, (y - 1, x - 1)), Const(-1), guard=True)
    program = cut(loops(Store(out, (y, x), padded), (y, 6), (x, 8)), image, out)
    golden(program, "partition_padding")
    pixels, result = rng.integers(0, 99, (4, 6)).astype(np.int32), np.zeros((6, 8), np.int32)
    run(program, pixels, result)
    np.testing.assert_array_equal(result, np.pad(pixels, 1, constant_values=-1))


def test_symbolic_tail() -> None:
    out = buffer("B", n)
    body = loops(If(y * 8 + x < n, Store(out, (y * 8 + x,), y)), (y, (n + 7) // 8), (x, 8))
    program = cut(body, out, sizes=(n,))
    for size in (1, 7, 8, 21):
        result = np.zeros(size, np.int32)
        run(program, result)
        np.testing.assert_array_equal(result, np.arange(size) // 8)
    assert "if" not in str(program).partition("B[")[0]


@pytest.mark.parametrize("condition", [Load(buffer("A", 8), (x,)) < 3, x * x < 9])
def test_conditions_that_cannot_be_solved_leave_the_loop_whole(condition: Expr) -> None:
    program = Program("main", (), loops(If(condition, Store(buffer("A", 8), (x,), x)), (x, 8)))
    assert partition(program) == program


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3, st.integers(-12, 12)), min_size=1, max_size=3), st.booleans())
def test_results_stay(conditions: list[tuple[int, int, int, int]], otherwise: bool) -> None:
    out = buffer("B", 5, 7, 3)
    holds = all_of([y * a + x * b + d * c < limit for a, b, c, limit in conditions])
    count = Store(out, (y, x, d), Load(out, (y, x, d)) + 1)
    body = If(holds, count, Store(out, (y, x, d), Const(-1)) if otherwise else None)
    program = Program("main", (out,), loops(body, (y, 5), (x, 7), (d, 3)))
    results = np.zeros((2, 5, 7, 3), np.int32)
    run(program, results[0])
    run(cut(program.body, out), results[1])
    np.testing.assert_array_equal(results[0], results[1])
