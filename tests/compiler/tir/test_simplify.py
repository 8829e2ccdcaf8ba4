"""Simplification keeps values; intervals and relaxed ranges contain them. Values are by Python's own arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.tir.expr import (
    Binary,
    Const,
    Expr,
    Load,
    Math,
    Op,
    Select,
    Var,
    all_of,
    cast,
    equal,
    maximum,
    minimum,
)
from dovetail.compiler.tir.simplify import interval, linear, prove, relax, simplify_expr
from dovetail.compiler.tir.stmt import Buffer

x, y, z, n = Var("x"), Var("y"), Var("z"), Var("n")
BOUNDS = {x: (0, 7), y: (-3, 4), z: (0, 2)}
BYTES = Buffer("A", (Const(8),), "int8")
a, b = Load(BYTES, (x,)), Load(BYTES, (z,))

PYTHON = {
    Op.ADD: lambda p, q: p + q,
    Op.SUB: lambda p, q: p - q,
    Op.MUL: lambda p, q: p * q,
    Op.FLOORDIV: lambda p, q: p // q,
    Op.MOD: lambda p, q: p % q,
    Op.MIN: min,
    Op.MAX: max,
    Op.LT: lambda p, q: p < q,
    Op.LE: lambda p, q: p <= q,
    Op.EQ: lambda p, q: p == q,
    Op.NE: lambda p, q: p != q,
    Op.AND: lambda p, q: p and q,
    Op.OR: lambda p, q: p or q,
}


def value(expr: Expr, of: Mapping[Var, int]) -> int:
    match expr:
        case Const(number):
            return number
        case Var():
            return of[expr]
        case Binary(op, left, right):
            return PYTHON[op](value(left, of), value(right, of))
        case Select(condition, left, right):
            return value(left if value(condition, of) else right, of)
    raise AssertionError(expr)


def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    divisor = st.integers(-9, 9).filter(bool).map(Const)
    return st.one_of(
        st.builds(Binary, st.sampled_from([Op.ADD, Op.SUB, Op.ADD, Op.MIN, Op.MAX, Op.MUL]), inner, inner),
        st.builds(Binary, st.sampled_from([Op.FLOORDIV, Op.MOD]), inner, divisor),
        st.builds(Binary, st.just(Op.MUL), inner, st.integers(-9, 9).map(Const)),
    )


leaves = st.one_of(st.sampled_from([x, y, z]), st.integers(-20, 20).map(Const))
indices = st.recursive(leaves, grow, max_leaves=8)
conditions = st.builds(Binary, st.sampled_from([Op.LT, Op.LE, Op.EQ, Op.NE]), indices, indices)


def points() -> list[dict[Var, int]]:
    ranges = [range(low, high + 1) for low, high in BOUNDS.values()]
    return [dict(zip(BOUNDS, point, strict=True)) for point in itertools.product(*ranges)]


@settings(max_examples=300, deadline=None)
@given(indices | conditions)
def test_simplified_expressions_have_the_same_values(expr: Expr) -> None:
    simple = simplify_expr(expr, BOUNDS)
    assert simple.dtype == expr.dtype
    assert [value(simple, point) for point in points()] == [value(expr, point) for point in points()]


DATA_OPS = {
    **PYTHON,
    Op.AND: lambda p, q: p & q,
    Op.OR: lambda p, q: p | q,
    Op.XOR: lambda p, q: p ^ q,
    Op.SHL: lambda p, q: p << q % 8,
    Op.SHR: lambda p, q: p >> q % 8,
}


def byte(number: int) -> int:
    return (number + 128) % 256 - 128


def data_value(expr: Expr, of: Mapping[Expr, int]) -> int:
    match expr:
        case Const(number):
            return number
        case Load():
            return of[expr]
        case Binary(op, left, right):
            return byte(DATA_OPS[op](data_value(left, of), data_value(right, of)))
        case Select(condition, left, right):
            return data_value(left if data_value(condition, of) else right, of)
    raise AssertionError(expr)


def grow_data(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    ops = [Op.ADD, Op.SUB, Op.MUL, Op.MIN, Op.MAX, Op.AND, Op.OR, Op.XOR, Op.SHL, Op.SHR]
    tests = st.builds(Binary, st.sampled_from([Op.LT, Op.LE, Op.EQ, Op.NE]), inner, inner)
    return st.one_of(
        st.builds(Binary, st.sampled_from(ops), inner, inner),
        st.builds(
            Binary, st.sampled_from([Op.FLOORDIV, Op.MOD]), inner, st.sampled_from([-128, -3, -1, 1, 4, 7]).map(number)
        ),
        st.builds(Select, tests, inner, inner),
    )


def number(of: int) -> Expr:
    return Const(of, "int8")


data = st.recursive(
    st.sampled_from([a, b]) | st.sampled_from([-128, -8, -1, 0, 1, 2, 8, 9, 127]).map(number), grow_data, max_leaves=6
)
BYTE_PAIRS = list(itertools.product([-128, -127, -5, -1, 0, 1, 7, 100, 127], repeat=2))


@settings(max_examples=300, deadline=None)
@given(data)
def test_bytes_are_simplified_as_they_wrap(expr: Expr) -> None:
    simple, (low, high) = simplify_expr(expr, BOUNDS), interval(expr, BOUNDS)
    for p, q in BYTE_PAIRS:
        expected = data_value(expr, {a: p, b: q})
        assert data_value(simple, {a: p, b: q}) == expected
        assert low <= expected <= high


@settings(max_examples=200, deadline=None)
@given(indices)
def test_intervals_contain_all_values(expr: Expr) -> None:
    values = [value(expr, point) for point in points()]
    low, high = interval(expr, BOUNDS)
    assert low <= min(values) and max(values) <= high


@settings(max_examples=200, deadline=None)
@given(indices)
def test_relaxed_ranges_contain_all_values(expr: Expr) -> None:
    ranges = {y: (Const(-3), Const(8)), z: (Const(0), Const(3))}
    relaxed = relax(expr, ranges, {x: BOUNDS[x]})
    if relaxed is None:
        return
    for point in points():
        assert value(relaxed[0], point) <= value(expr, point) <= value(relaxed[1], point)


@settings(max_examples=100, deadline=None)
@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-20, 20))
def test_sums_of_variables_are_relaxed_exactly(i: int, j: int, k: int) -> None:
    expr = x * i + y * j + k
    values = [value(expr, point) for point in points()]
    assert interval(expr, BOUNDS) == (min(values), max(values))
    relaxed = relax(expr, {var: (Const(low), Const(high - low + 1)) for var, (low, high) in BOUNDS.items()})
    assert relaxed == (Const(min(values)), Const(max(values)))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ((y * 8 + x) // 8, "y"),
        ((y * 8 + x) % 8, "x"),
        ((y * 8 + x + 8) // 8, "y + 1"),
        (x // 8, "0"),
        ((n * 8 + y * 4 + 5) // 4, "n * 2 + y + 1"),
        (n // 4 // 2, "n // 8"),
        (n % 12 % 4, "n % 4"),
        ((n * 4) % 12, "n % 3 * 4"),
        (n // 8 * 8 + n % 8, "n"),
        ((n + 8) // 8 * 8 + (n + 8) % 8 - 8, "n"),
        (x + y - x, "y"),
        (minimum(x, 9), "x"),
        (minimum(minimum(n, 8), 4), "min(n, 4)"),
        (minimum(8, n - y * 8), "min(8, n - y * 8)"),
        (maximum(x - 8, 0), "0"),
        (x + 5 < 20, "True"),
        (y * 8 + x < y * 8, "False"),
        (y * 8 + x < y * 8 + n, "x < n"),
        (all_of([x < 8, n < 3, x >= 0]), "n < 3"),
        (Select(x < 8, n, y), "n"),
        (Select(n < 3, Select(n < 3, x, y), z, guard=True), "if_then_else(n < 3, x, z)"),
        (~(n < 3), "3 <= n"),
        (Const(3) * 4 + n, "n + 12"),
        (n - 1 - n * 2, "-1 - n"),
    ],
)
def test_forms(expr: Expr, expected: str) -> None:
    assert str(simplify_expr(expr, BOUNDS)) == expected


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (cast("int32", a) * 1 + 0, "int32(A[x])"),
        (minimum(cast("int32", a), 127), "int32(A[x])"),
        (minimum(cast("int32", a) + cast("int32", b), 127), "min(int32(A[x]) + int32(A[z]), 127)"),
        (maximum(minimum(a + b, 127), -128), "A[x] + A[z]"),
        ((a * 2) // 2, "A[x] * 2 // 2"),
        (Load(BYTES, ((y * 8 + x) % 8,)), "A[x]"),
        (Const(100, "int8") + Const(100, "int8") + a, "-56 + A[x]"),
        (cast("int64", a) < 128, "True"),
        (maximum(Math("round_shift", (n, Const(2))), -5), "max(round_shift(n, 2), -5)"),
        (Load(BYTES, (cast("int32", a) + x - x,)), "A[int32(A[x]) + x - x]"),
    ],
)
def test_other_arithmetic_keeps_its_shape_and_wraps(expr: Expr, expected: str) -> None:
    assert str(simplify_expr(expr, BOUNDS)) == expected.replace("[int32(A[x]) + x - x]", "[int32(A[x])+x-x]")


def test_bounds_may_depend_on_outer_variables() -> None:
    yo, yi, xo = Var("yo"), Var("yi"), Var("xo")
    bounds = {n: (1, 1000), yo: (0, 2), yi: (0, minimum(8, 20 - yo * 8) - 1), xo: (0, (n + 7) // 8 - 1)}
    assert prove(yo * 8 + yi < 20, bounds)
    assert not prove(yo * 8 + yi < 19, bounds)
    assert interval(yo * 8 + yi, bounds) == (0, 19)
    assert prove(xo * 8 < n, bounds)
    assert not prove(xo * 8 + 1 < n, bounds)
    assert simplify_expr(xo // n, {n: (1, 1000), xo: (0, n - 1)}) == Const(0)


def test_relaxed_ranges_keep_other_variables() -> None:
    yo, yi = Var("yo"), Var("yi")
    whole = (Const(0), Const(8))
    assert [str(end) for end in relax(yo * 8 + yi, {yi: whole}) or ()] == ["yo * 8", "yo * 8 + 7"]
    assert [str(end) for end in relax((yo * 8 + yi) // 4, {yi: whole}) or ()] == ["yo * 2", "yo * 2 + 1"]
    assert [str(end) for end in relax(n - yi * 2, {yi: whole}) or ()] == ["n - 14", "n"]
    clipped = {yi: (Const(0), minimum(8, n - yo * 8))}
    assert [str(end) for end in relax(yo * 8 + yi, clipped) or ()] == ["yo * 8", "yo * 8 + min(8, n - yo * 8) - 1"]
    tiles = {yo: (Const(0), Const(3)), yi: (Const(0), minimum(8, 20 - yo * 8))}
    assert [str(end) for end in relax(yo * 8 + yi, tiles) or ()] == ["0", "19"]
    assert [str(end) for end in relax(yi % 4 + yo, {yi: whole}) or ()] == ["yo", "yo + 3"]
    assert relax(Load(Buffer("I", (Const(8),), "int32"), (yi,)), {yi: whole}) is None


def test_known_conditions_hold() -> None:
    inside = simplify_expr(x + y < n, BOUNDS)
    assert prove(y + x - n < 0, BOUNDS, known=[]) is False
    assert prove(x + y < n, BOUNDS, known=[inside])


def test_linear() -> None:
    assert linear(x * 3 - (y - 4) * 2 + n, [x, y, z]) == ({x: 3, y: -2, z: 0}, n + 8)
    assert linear(x // 2 + y, [x]) is None
    assert linear(x // 2 + y, [y]) == ({y: 1}, x // 2)


def test_equality_of_unlike_numbers() -> None:
    assert simplify_expr(equal(x, 9), BOUNDS) == Const(False, "bool")
    assert simplify_expr(equal(x - x, 0), BOUNDS) == Const(True, "bool")
