"""What programs mean, against NumPy, and what the interpreter refuses."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler.tir.expr import (
    Broadcast,
    Cast,
    Const,
    Expr,
    Load,
    Math,
    Ramp,
    Range,
    Select,
    Var,
    all_of,
    cast,
    maximum,
    minimum,
)
from dovetail.compiler.tir.interpreter import InterpreterError, run
from dovetail.compiler.tir.stmt import (
    LOCAL,
    SHARED,
    Allocate,
    Barrier,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Pop,
    Primitive,
    Program,
    Push,
    Region,
    Stmt,
    Store,
    seq,
)
from dovetail.isa.instructions import Unit

x, y, k = Var("x"), Var("y"), Var("k")
LD, EX = Unit.LOAD, Unit.COMPUTE


def buffer(name: str, *shape: int | Expr, dtype: str = "int32", scope: str = "global") -> Buffer:
    return Buffer(name, tuple(Const(n) if isinstance(n, int) else n for n in shape), dtype, scope)


def loops(*nest: tuple[Var, int | Expr], body: Stmt, kind: LoopKind = LoopKind.SERIAL) -> Stmt:
    for var, extent in reversed(nest):
        body = For(var, Const(extent) if isinstance(extent, int) else extent, body, kind)
    return body


def box(of: Buffer, *ranges: tuple[int, ...]) -> Region:
    return Region(of, tuple(Range(Const(r[0]), Const(r[1]), *r[2:]) for r in ranges))


def program(body: Stmt, *params: Buffer, sizes: tuple[Var, ...] = ()) -> Program:
    return Program("main", params, body, sizes)


def test_symbolic_matrix_product(rng: np.random.Generator) -> None:
    m, n, h = Var("m"), Var("n"), Var("h")
    a, b, c = buffer("A", m, h, dtype="float32"), buffer("B", n, h, dtype="float32"), buffer("C", m, n, dtype="float32")
    update = Store(c, (y, x), Load(c, (y, x)) + Load(a, (y, k)) * Load(b, (x, k)))
    body = seq(Store(c, (y, x), Const(0.0, "float32")), loops((k, h), body=update))
    product = program(loops((y, m), (x, n), body=body, kind=LoopKind.PARALLEL), a, b, c, sizes=(m, n, h))
    left, right = rng.random((3, 5), np.float32), rng.random((4, 5), np.float32)
    out = np.empty((3, 4), np.float32)
    run(product, left, right, out)
    np.testing.assert_allclose(out, left @ right.T, rtol=1e-5)
    with pytest.raises(InterpreterError, match=r"B has shape \(4, 5\), not \(4, 6\)"):
        run(product, left, np.zeros((4, 6), np.float32), out)
    with pytest.raises(InterpreterError, match=r"main takes 3 arrays \(A, B, C\), not 2"):
        run(product, left, right)
    with pytest.raises(InterpreterError, match="A holds float32, not float64"):
        run(product, left.astype(np.float64), right, out)


@pytest.mark.parametrize("lanes", [1, 8])
def test_integers_wrap_and_round_as_numpy_does(lanes: int, rng: np.random.Generator) -> None:
    a, b, out = (buffer(name, 64, dtype="int8") for name in ("A", "B", "O"))
    at: Expr = Ramp(x * 8, 1, 8) if lanes > 1 else x
    one, other = Load(a, (at,)), Load(b, (at,))
    value = (one * other - one) + Select(one < other, one >> 1, one << 3) + maximum(minimum(one // 7, 3), one % 5)
    left, right = (rng.integers(-128, 128, 64).astype(np.int8) for _ in range(2))
    result = np.zeros(64, np.int8)
    run(program(loops((x, 64 // lanes), body=Store(out, (at,), value)), a, b, out), left, right, result)
    chosen = np.where(left < right, left >> 1, left << 3)
    np.testing.assert_array_equal(result, left * right - left + chosen + np.maximum(np.minimum(left // 7, 3), left % 5))


@pytest.mark.parametrize("lanes", [1, 4])
def test_functions(lanes: int, rng: np.random.Generator) -> None:
    a, out = buffer("A", 16, dtype="float32"), buffer("O", 16, dtype="float32")
    at: Expr = Ramp(x * 4, 1, 4) if lanes > 1 else x
    value = Math("exp", (Load(a, (at,)),)) + Math("round", (Load(a, (at,)) * 4.0,)) + Math("abs", (Load(a, (at,)),))
    values, result = rng.normal(size=16).astype(np.float32), np.zeros(16, np.float32)
    run(program(loops((x, 16 // lanes), body=Store(out, (at,), value)), a, out), values, result)
    np.testing.assert_allclose(result, np.exp(values) + np.rint(values * 4) + np.abs(values), rtol=1e-5)


@pytest.mark.parametrize("lanes", [1, 4])
def test_round_shift_is_to_the_nearest_with_ties_to_even(lanes: int) -> None:
    a, out = buffer("A", 8), buffer("O", 8)
    at: Expr = Ramp(x * 4, 1, 4) if lanes > 1 else x
    shift: Expr = Broadcast(Const(2), 4) if lanes > 1 else Const(2)
    values = np.array([-10, -6, -5, 2, 5, 6, 7, 10], np.int32)
    result = np.zeros(8, np.int32)
    store = Store(out, (at,), Math("round_shift", (Load(a, (at,)), shift)))
    run(program(loops((x, 8 // lanes), body=store), a, out), values, result)
    np.testing.assert_array_equal(result, np.rint(values / 4))


def test_casts(rng: np.random.Generator) -> None:
    a, out = buffer("A", 32, dtype="float32"), buffer("O", 32, dtype="int8")
    values = (rng.random(32, np.float32) - 0.5) * 200
    result = np.zeros(32, np.int8)
    run(program(loops((x, 32), body=Store(out, (x,), cast("int8", Load(a, (x,))))), a, out), values, result)
    np.testing.assert_array_equal(result, values.astype(np.int8))
    with pytest.raises(InterpreterError, match="inf has no value as int8"):
        run(
            program(Store(out, (Const(0),), Cast("int8", Load(a, (Const(0),)))), a, out),
            np.full_like(values, np.inf),
            result,
        )


def test_a_guard_keeps_the_other_arm_from_being_read() -> None:
    a, out = buffer("A", 4), buffer("O", 6)
    inside = all_of([Const(1) <= x, x < 5])
    for guard in (True, False):
        value = Select(inside, Load(a, (x - 1,)), Const(-1), guard)
        padded = program(loops((x, 6), body=Store(out, (x,), value)), a, out)
        result = np.zeros(6, np.int32)
        if guard:
            run(padded, np.arange(4, dtype=np.int32), result)
            np.testing.assert_array_equal(result, [-1, 0, 1, 2, 3, -1])
        else:
            with pytest.raises(InterpreterError, match=r"A\[-1\] is outside of axis 0 of A, whose shape is \(4,\)"):
                run(padded, np.arange(4, dtype=np.int32), result)


def test_memory_that_is_allocated_must_be_written_before_it_is_read() -> None:
    t, out = buffer("T", 4), buffer("O", 4)
    copy = loops((x, 4), body=Store(out, (x,), Load(t, (x,))))
    result = np.zeros(4, np.int32)
    with pytest.raises(InterpreterError, match=r"T\[3\] is read before it is written"):
        run(program(Allocate(t, seq(loops((x, 3), body=Store(t, (x,), x)), copy)), out), result)
    run(program(Allocate(t, seq(loops((y, 4), body=Store(t, (y,), y)), copy)), out), result)
    np.testing.assert_array_equal(result, np.arange(4))


def test_copies_pad_stride_and_convert(rng: np.random.Generator) -> None:
    image, tile, out = buffer("I", Var("n"), 6), buffer("T", 3, 4, dtype="int8"), buffer("O", 1, 3, 4, dtype="int8")
    body = seq(
        Copy(box(tile, (0, 3), (0, 4)), box(image, (-1, 3, 2), (3, 4)), padding=7),
        Copy(box(out, (0, 1), (0, 3), (0, 4)), box(tile, (0, 3), (0, 4))),
    )
    pixels = rng.integers(-1000, 1000, (6, 6)).astype(np.int32)
    result = np.zeros((1, 3, 4), np.int8)
    run(program(Allocate(tile, body), image, out), pixels, result)
    expected = np.pad(pixels, ((1, 0), (0, 1)), constant_values=7)[0:6:2, 3:7].astype(np.int8)
    np.testing.assert_array_equal(result[0], expected)
    with pytest.raises(InterpreterError, match="3 elements from 2, 1 apart, are not all in axis 0 of T"):
        run(
            program(Allocate(tile, Copy(box(tile, (2, 3), (0, 4)), box(image, (0, 3), (0, 4)))), image, out),
            pixels,
            result,
        )
    with pytest.raises(InterpreterError, match=r"T\[0:3\]\[0:4\] is read before all of it is written"):
        run(program(Allocate(tile, body.body[1]), image, out), pixels, result)  # type: ignore[attr-defined]


def test_primitives_get_views_in_the_order_of_their_own_axes(rng: np.random.Generator) -> None:
    def gemm(outputs: tuple[np.ndarray, ...], inputs: tuple[np.ndarray, ...]) -> None:
        assert [array.shape for array in (*outputs, *inputs)] == [(1, 4), (1, 3), (4, 3)]
        outputs[0][...] += inputs[0] @ inputs[1].T

    c, a, b = buffer("C", 2, 4), buffer("A", 3, 2), buffer("B", 3, 5, 4)
    multiply = Invoke(
        Primitive("gemm", EX, gemm),
        (Operand(box(c, (1, 1), (0, 4)), (None, 1)),),
        (Operand(box(a, (0, 3), (1, 1)), (1, 0)), Operand(box(b, (0, 3), (2, 1), (0, 4)), (2, 0))),
    )
    left, right = rng.integers(-9, 9, (3, 2)).astype(np.int32), rng.integers(-9, 9, (3, 5, 4)).astype(np.int32)
    result = np.ones((2, 4), np.int32)
    run(program(multiply, c, a, b), result, left, right)
    np.testing.assert_array_equal(result, [np.ones(4), left[:, 1] @ right[:, 2] + 1])


def group(body: Stmt, n: int) -> Stmt:
    return For(y, Const(2), For(x, Const(n), body, LoopKind.THREAD, "threadIdx.x"), LoopKind.THREAD, "blockIdx.x")


@pytest.mark.parametrize("barrier", [True, False])
def test_threads_of_a_group_meet_at_barriers(barrier: bool, rng: np.random.Generator) -> None:
    a, out = buffer("A", 2, 4), buffer("O", 2, 4)
    shared, own = buffer("S", 4, scope=SHARED), buffer("L", 1, scope=LOCAL)
    exchange = seq(
        Store(shared, (x,), Load(own, (Const(0),))),
        Barrier() if barrier else None,
        Store(own, (Const(0),), Load(shared, ((x + 1) % 4,))),
        Barrier(),
    )
    body = seq(
        Store(own, (Const(0),), Load(a, (y, x))),
        loops((k, 3), body=exchange),
        Store(out, (y, x), Load(own, (Const(0),))),
    )
    rotate = program(group(Allocate(shared, Allocate(own, body)), 4), a, out)
    values, result = rng.integers(0, 99, (2, 4)).astype(np.int32), np.zeros((2, 4), np.int32)
    if barrier:
        run(rotate, values, result)
        np.testing.assert_array_equal(result, np.roll(values, -3, axis=1))
    else:
        with pytest.raises(InterpreterError, match=r"S\[1\] is read before it is written"):
            run(rotate, values, result)


def test_threads_that_part_ways_before_a_barrier_are_refused() -> None:
    with pytest.raises(InterpreterError, match="thread 2 of x ends where others meet a barrier"):
        run(program(group(If(x < 2, Barrier()), 4)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Pop(LD, EX, ("AL",)), "no token to pop of those that ex pushes to ld for AL"),
        (
            seq(Push(EX, LD, ("AL",)), Push(EX, LD), Pop(LD, EX)),
            "1 of the tokens that ex pushes to ld for AL are left over",
        ),
        (Barrier(), "a barrier outside of the threads of a group"),
        (Store(buffer("T", 2), (Const(0),), Const(0)), "T is used where it is not allocated"),
    ],
)
def test_refusals(body: Stmt, message: str) -> None:
    with pytest.raises(InterpreterError, match=message):
        run(program(body))


def test_tokens_and_empty_loops() -> None:
    cycle = loops((x, 3), body=seq(Pop(LD, EX), Push(EX, LD)))
    run(program(seq(Push(EX, LD), cycle, Pop(LD, EX), loops((y, -2), body=Pop(LD, EX)))))


def test_division_by_zero_says_where() -> None:
    out = buffer("O", 1)
    with pytest.raises(InterpreterError, match=r"division by zero in 3 // x"):
        run(program(loops((x, 1), body=Store(out, (x,), Const(3) // x)), out), np.zeros(1, np.int32))
