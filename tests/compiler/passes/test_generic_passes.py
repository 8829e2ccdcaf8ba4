"""Simplify, unroll and vectorize: what remains of a program, and that it computes the same as NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.passes.unroll import unroll
from dovetail.compiler.passes.vectorize import vectorize
from dovetail.compiler.tir.expr import Const, Expr, Load, Math, Select, Var, all_of, cast, maximum, minimum
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import (
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import structural_equal, substitute, walk
from dovetail.compiler.tir.verifier import check

Golden = Callable[[object, str], None]
x, xo, xi, y, k, n = (Var(name) for name in ("x", "xo", "xi", "y", "k", "n"))
VECTOR, UNROLLED = LoopKind.VECTORIZED, LoopKind.UNROLLED


def buffer(name: str, *shape: int | Expr, dtype: str = "float32") -> Buffer:
    return Buffer(name, tuple(Const(extent) if isinstance(extent, int) else extent for extent in shape), dtype)


def loop(var: Var, extent: int | Expr, body: Stmt, kind: LoopKind = LoopKind.SERIAL) -> For:
    return For(var, Const(extent) if isinstance(extent, int) else extent, body, kind)


def program(body: Stmt, *params: Buffer, sizes: tuple[Var, ...] = ()) -> Program:
    return Program("main", params, body, sizes)


def checked(result: Program) -> Program:
    check(result)
    return result


def test_simplify_drops_what_is_never_executed(golden: Golden) -> None:
    a, t = buffer("A", 20), buffer("T", 4)
    at = xo * 8 + xi
    store = Store(a, ((xo * 8 + xi) // 8 * 8 + (xo * 8 + xi) % 8,), Const(1.0, "float32"))
    body = seq(
        loop(xo, 2, loop(xi, 8, If(at < 20, store, Store(a, (Const(0),), Const(2.0, "float32"))))),
        loop(y, 1, Store(a, (y + 16,), Const(3.0, "float32"))),
        loop(k, 0, Store(a, (k,), Const(4.0, "float32"))),
        Allocate(t, If(x < 0, Store(t, (Const(0),), Const(5.0, "float32")))),
        If(~(n < 8), If(n >= 8, Store(a, (Const(17),), Const(6.0, "float32")))),
    )
    simple = simplify(program(loop(x, n, body), a, buffer("S", n), sizes=(n,)))
    golden(checked(simple), "simplify")


def test_conditions_that_read_memory_are_not_taken_to_last() -> None:
    a = buffer("A", 1, dtype="int32")
    zero = Load(a, (Const(0),)) < 1
    flip = If(zero, seq(Store(a, (Const(0),), Const(5)), If(zero, Store(a, (Const(0),), Const(9)))))
    result = np.zeros(1, np.int32)
    run(checked(simplify(program(flip, a))), result)
    assert result[0] == 5


def test_unrolled_loops_are_written_out() -> None:
    a, t = buffer("A", 3, 4), buffer("T", 1)
    inner = Allocate(t, seq(Store(t, (Const(0),), cast("float32", y)), Store(a, (x, y), Load(t, (Const(0),)))))
    nested = program(loop(x, 3, loop(y, 4, inner), UNROLLED), a)
    flat = checked(unroll(nested))
    assert isinstance(flat.body, Seq) and len(flat.body.body) == 3
    result = np.zeros((3, 4), np.float32)
    run(flat, result)
    np.testing.assert_array_equal(result, np.tile(np.arange(4), (3, 1)))
    symbolic = unroll(program(loop(x, n, Store(a, (x, x), Const(0.0, "float32")), UNROLLED), a, sizes=(n,)))
    assert str(symbolic).startswith("for x in range(n):")


def test_vectorized_matrix_product(golden: Golden, rng: np.random.Generator) -> None:
    a, b, c = buffer("A", 6, 5), buffer("B", 5, 16), buffer("C", 6, 16)
    at = (y, xo * 8 + xi)
    update = Store(c, at, Load(c, at) + Load(a, (y, k)) * Load(b, (k, at[1])))
    body = seq(Store(c, at, Const(0.0, "float32")), loop(k, 5, update))
    vector = checked(simplify(vectorize(program(loop(y, 6, loop(xo, 2, loop(xi, 8, body, VECTOR))), a, b, c))))
    golden(vector, "vectorize_product")
    left, right = rng.random((6, 5), np.float32), rng.random((5, 16), np.float32)
    result = np.zeros((6, 16), np.float32)
    run(vector, left, right, result)
    np.testing.assert_allclose(result, left @ right, rtol=1e-5)


def test_a_tail_is_done_lane_by_lane(golden: Golden) -> None:
    a, b = buffer("A", 20), buffer("B", 20)
    at = xo * 8 + xi
    body = If(at < 20, Store(b, (at,), maximum(Load(a, (at,)), 0.0)))
    tailed = checked(simplify(vectorize(program(loop(xo, 3, loop(xi, 8, body, VECTOR)), a, b))))
    golden(tailed, "vectorize_tail")
    values, result = np.linspace(-1, 1, 20, dtype=np.float32), np.zeros(20, np.float32)
    run(tailed, values, result)
    np.testing.assert_array_equal(result, np.maximum(values, 0))


def test_padding_is_done_lane_by_lane(golden: Golden) -> None:
    a, b = buffer("A", 16), buffer("B", 32)
    at = xo * 8 + xi
    value = Select(all_of([at >= 3, at < 19]), Load(a, (at - 3,)), Const(-1.0, "float32"), guard=True) * 2.0
    padded = checked(simplify(vectorize(program(loop(xo, 4, loop(xi, 8, Store(b, (at,), value), VECTOR)), a, b))))
    golden(padded, "vectorize_padding")
    values, result = np.arange(16, dtype=np.float32), np.zeros(32, np.float32)
    run(padded, values, result)
    np.testing.assert_array_equal(result, np.pad(values, (3, 13), constant_values=-1) * 2)


@pytest.mark.parametrize(
    "body",
    [
        Store(buffer("B", 8), (Const(0),), Load(buffer("A", 8), (x,))),
        loop(k, x, Store(buffer("B", 8), (x,), Const(0.0, "float32"))),
        Allocate(buffer("T", 1), Store(buffer("B", 8), (x,), Const(0.0, "float32"))),
        Store(buffer("M", 8, 8), (x, x), Const(0.0, "float32")),
    ],
)
def test_without_a_vector_form_a_loop_is_serial(body: Stmt) -> None:
    serial = vectorize(program(loop(x, 8, body, VECTOR)))
    assert structural_equal(serial.body, loop(x, 8, body))


def test_iterations_that_depend_on_each_other_stay_in_order() -> None:
    a = buffer("A", 9, dtype="int32")
    body = Store(a, (x + 1,), Load(a, (x,)) + 1)
    result = np.zeros(9, np.int32)
    run(vectorize(program(loop(x, 8, body, VECTOR), a)), result)
    np.testing.assert_array_equal(result, np.arange(9))


def test_a_statement_without_vector_form_leaves_the_others_theirs() -> None:
    a, b, c = buffer("A", 8, 8), buffer("B", 8), buffer("C", 8)
    body = seq(Store(b, (x,), Const(1.0, "float32")), Store(c, (x,), Load(a, (x, x))))
    mixed = checked(vectorize(program(loop(x, 8, body, VECTOR), a, b, c)))
    assert str(mixed) == "B[0:8] = 1\nfor x in range(8):\n    C[x] = A[x][x]"


def test_long_loops_are_split_into_vectors() -> None:
    b = buffer("B", 160)
    split = checked(simplify(vectorize(program(loop(x, 160, Store(b, (x,), Const(1.0, "float32")), VECTOR), b))))
    assert str(split) == "for x_outer in range(4):\n    B[x_outer*40:x_outer*40+40] = 1"


LANES = st.sampled_from([2, 4, 5, 8])
A, B, BYTES = buffer("A", 64, dtype="int32"), buffer("B", 4, 64, dtype="int32"), buffer("I", 64, dtype="int8")


@st.composite
def values(draw: st.DrawFn) -> Expr:
    """An int32 expression of y, within 0..3, and x, within 0..31."""
    leaves: st.SearchStrategy[Expr] = st.one_of(
        st.sampled_from([x, y, Load(A, (x,)), Load(B, (y, x + 3)), Load(A, (x * 2,)), Load(A, (63 - x,))]),
        st.sampled_from([Load(A, (y * 3,)), cast("int32", Load(BYTES, (x,))), Load(A, (x // 3,))]),
        st.integers(-50, 50).map(Const),
    )

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        return st.one_of(
            st.builds(lambda p, q: p + q, inner, inner),
            st.builds(lambda p, q: p * q - 1, inner, inner),
            st.builds(minimum, inner, inner),
            st.builds(lambda p, q: p // (q % 5 + 1), inner, inner),
            st.builds(lambda p, q, r: Select(p < q, q, r), inner, inner, inner),
            st.builds(lambda p, q: Select(y < 2, p, q, guard=True), inner, inner),
            st.builds(lambda p, q: Select(x + 2 < 29, p, q, guard=True), inner, inner),
            st.builds(lambda p: Math("abs", (p,)) >> 2, inner),
            st.builds(lambda p: cast("int32", cast("int8", p)), inner),
        )

    return draw(st.recursive(leaves, grow, max_leaves=8))


@settings(max_examples=80, deadline=None)
@given(values(), LANES, st.booleans(), st.sampled_from([VECTOR, UNROLLED]))
def test_passes_keep_results(value: Expr, lanes: int, tail: bool, kind: LoopKind) -> None:
    out = buffer("O", 4, 32, dtype="int32")
    extent = 30 if tail else 32 // lanes * lanes
    at = xo * lanes + xi
    body: Stmt = Store(out, (y, at), substitute(value, {x: at}))
    if extent % lanes:
        body = If(at < extent, body)
    before = program(loop(y, 4, loop(xo, -(-extent // lanes), loop(xi, lanes, body, kind))), A, B, BYTES, out)
    after = checked(simplify(unroll(vectorize(before))))
    assert not any(isinstance(part, For) and part.kind in (VECTOR, UNROLLED) for part in walk(after))
    rng = np.random.default_rng(1)
    arrays = [
        rng.integers(-99, 99, shape).astype(dtype) for shape, dtype in (((64,), "i4"), ((4, 64), "i4"), ((64,), "i1"))
    ]
    results = np.zeros((2, 4, 32), np.int32)
    run(before, *arrays, results[0])
    run(after, *arrays, results[1])
    np.testing.assert_array_equal(results[0], results[1])
