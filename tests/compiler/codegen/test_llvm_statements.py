"""Compiled statements do what the interpreter does: loops, branches, memory, threads, sizes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dovetail.compiler.codegen.llvm.errors import CodegenError
from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.tir import interpreter
from dovetail.compiler.tir.expr import Broadcast, Cast, Const, Load, Ramp, Var, const, minimum
from dovetail.compiler.tir.stmt import Allocate, Barrier, Buffer, For, If, LoopKind, Program, Store, seq


def buffer(name, *shape, dtype="int32", scope="global"):
    return Buffer(name, tuple(extent if isinstance(extent, Var) else const(extent) for extent in shape), dtype, scope)


def check(program, *arrays, threads=1):
    """Runs the compiled program on `arrays`, in place, and compares with the interpreter."""
    expected = [array.copy() for array in arrays]
    interpreter.run(program, *expected)
    compile_program(program, threads=threads)(*arrays)
    for got, wanted in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


i, j, k, n, m = (Var(name) for name in "ijknm")


def test_loops_of_every_kind_and_of_extents_zero_and_one():
    a = buffer("a", 4, 3)
    for kind in (LoopKind.SERIAL, LoopKind.UNROLLED, LoopKind.VTHREAD, LoopKind.PARALLEL, LoopKind.VECTORIZED):
        for extent in (0, 1, 3):
            inner = For(j, const(extent), Store(a, (i, j), Load(a, (i, j)) * 2 + i - j), kind)
            check(Program("loops", (a,), For(i, const(4), inner)), np.arange(12, dtype=np.int32).reshape(4, 3))


def test_vectorized_loops_become_vectors():
    a, b = buffer("a", 8, 32, dtype="float32"), buffer("b", 32, 8, dtype="float32")
    body = Store(b, (i, j), Load(a, (j, i)) * 2.0 + 1.0)
    arrays = np.arange(256, dtype=np.float32).reshape(8, 32), np.zeros((32, 8), np.float32)
    check(Program("rows", (a, b), For(i, const(32), For(j, const(8), body, LoopKind.VECTORIZED))), *arrays)
    columns = Program("columns", (a, b), For(j, const(8), For(i, const(32), body, LoopKind.VECTORIZED)))
    check(columns, *arrays)
    assert "<32 x float>" in compile_program(columns).source


def test_a_loop_whose_extent_depends_on_the_one_around():
    a = buffer("a", 10)
    tail = For(j, minimum(const(4), 10 - i * 4), Store(a, (i * 4 + j,), i * 10 + j))
    check(Program("tail", (a,), For(i, const(3), tail)), np.zeros(10, np.int32))


def test_branches_with_and_without_else():
    a = buffer("a", 8)
    both = If(Load(a, (i,)) < 4, Store(a, (i,), i * 3), Store(a, (i,), -i))
    one = If((i % 2).astype("bool"), Store(a, (i,), Load(a, (i,)) + 100))
    check(Program("branches", (a,), For(i, const(8), seq(both, one))), np.arange(8, dtype=np.int32))


@pytest.mark.parametrize("extent", [16, 64 * 1024])
def test_allocated_buffers_on_the_stack_and_in_the_workspace(extent):
    a, b = buffer("a", extent), buffer("b", extent)
    one, two = buffer("one", extent), buffer("two", extent)

    def fill(target, value):
        return For(i, const(extent), Store(target, (i,), value))

    inner = Allocate(two, seq(fill(two, Load(one, (i,)) * 2), fill(b, Load(two, (i,)) + Load(one, (extent - 1 - i,)))))
    program = Program("allocate", (a, b), Allocate(one, seq(fill(one, Load(a, (i,)) + 1), inner)))
    module = compile_program(program)
    assert (module.workspace_bytes > 0) == (extent > 16)
    x, y = np.arange(extent, dtype=np.int32), np.zeros(extent, np.int32)
    module(x, y)
    np.testing.assert_array_equal(y, (x + 1) * 2 + (x + 1)[::-1])


def test_buffers_that_do_not_live_together_share_workspace():
    def nest(name):
        inner = buffer(name, 32 * 1024)
        return Allocate(inner, For(i, const(32 * 1024), Store(inner, (i,), i)))

    alone = compile_program(Program("one", (), nest("x"))).workspace_bytes
    assert compile_program(Program("two", (), seq(nest("x"), nest("y")))).workspace_bytes == alone == 4 * 32 * 1024


def test_symbolic_sizes_come_from_the_shapes():
    a, b = buffer("a", m, n), buffer("b", n, m)
    work = Buffer("work", (n + 1,), "int32")
    body = seq(
        For(j, n, Store(work, (j,), Load(a, (i, j)) + n)),
        For(j, n, Store(b, (j, i), Load(work, (j,)))),
    )
    program = Program("sizes", (a, b), For(i, m, Allocate(work, body)), sizes=(m, n))
    module = compile_program(program)
    for rows, columns in ((3, 5), (1, 1), (0, 4)):
        x = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
        y = np.zeros((columns, rows), np.int32)
        module(x, y)
        np.testing.assert_array_equal(y, x.T + columns)


@pytest.mark.parametrize("stride", [-1, 0, 1, 2, 3])
def test_vector_loads_of_any_stride(stride):
    a, b = buffer("a", 40), buffer("b", 8)
    base = const(10)
    body = Store(b, (Ramp(const(0), 1, 8),), Load(a, (Ramp(base, stride, 8),)))
    check(Program("stride", (a, b), body), np.arange(40, dtype=np.int32), np.zeros(8, np.int32))


@pytest.mark.parametrize("lanes", [2, 3, 7])
def test_vector_loads_of_few_lanes_two_apart(lanes):
    a, b = buffer("a", 2 * lanes - 1), buffer("b", lanes)
    body = Store(b, (Ramp(const(0), 1, lanes),), Load(a, (Ramp(const(0), 2, lanes),)))
    check(Program("two", (a, b), body), np.arange(2 * lanes - 1, dtype=np.int32), np.zeros(lanes, np.int32))


def test_vector_stores_to_columns_and_loads_by_a_table():
    a, b, table = buffer("a", 8, 4), buffer("b", 8), buffer("table", 8)
    lanes = Ramp(const(0), 1, 8)
    body = seq(
        Store(a, (lanes, const(2)), Load(table, (lanes,)) * 10),
        Store(b, (lanes,), Load(a, (Load(table, (lanes,)), Broadcast(const(2), 8)))),
    )
    table_values = np.array([3, 1, 4, 0, 5, 2, 7, 6], np.int32)
    check(Program("columns", (a, b, table), body), np.zeros((8, 4), np.int32), np.zeros(8, np.int32), table_values)


def test_booleans_take_a_byte():
    a, b = buffer("a", 8), buffer("b", 8, dtype="bool")
    lanes = Ramp(const(0), 1, 8)
    body = seq(
        Store(b, (lanes,), Load(a, (lanes,)) < Const(3, "int32x8")),
        Store(a, (lanes,), Cast("int32x8", Load(b, (lanes,))) + Broadcast(Cast("int32", Load(b, (const(0),))), 8)),
    )
    check(Program("booleans", (a, b), body), np.arange(8, dtype=np.int32), np.zeros(8, np.bool_))


def matmul(size):
    """A register-tiled product with a packed operand in parallel, and what it should print as instructions."""
    a, b, c = (buffer(name, size, size, dtype="float32") for name in "abc")
    packed, sums = buffer("packed", size, size, dtype="float32"), buffer("sums", 4, 16, dtype="float32", scope="local")
    y, x = Var("y"), Var("x")
    lanes = Ramp(const(0), 1, 16)
    row = Ramp(x * 16, 1, 16)
    unrolled = LoopKind.UNROLLED
    copy = For(k, const(size), For(x, const(size // 16), Store(packed, (k, row), Load(b, (k, row)))), LoopKind.PARALLEL)
    product = Broadcast(Load(a, (y * 4 + i, k)), 16) * Load(packed, (k, row))
    nest = seq(
        For(i, const(4), Store(sums, (i, lanes), Const(0.0, "float32x16")), unrolled),
        For(k, const(size), For(i, const(4), Store(sums, (i, lanes), Load(sums, (i, lanes)) + product), unrolled)),
        For(i, const(4), Store(c, (y * 4 + i, row), Load(sums, (i, lanes))), unrolled),
    )
    tiles = For(y, const(size // 4), For(x, const(size // 16), Allocate(sums, nest)), LoopKind.PARALLEL)
    return Program("matmul", (a, b, c), Allocate(packed, seq(copy, tiles)))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_parallel_loops_share_their_iterations(threads):
    module = compile_program(matmul(128), threads=threads)
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b, c = (rng.standard_normal((128, 128), np.float32) for _ in range(3))
        module(a, b, c)
        np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_parallel_loops_in_parallel_loops_with_memory_of_their_own(threads):
    size = 20 * 1024
    a, row = buffer("a", 6, size), buffer("row", size)
    fill = For(j, const(size), Store(row, (j,), i * 7 + j), LoopKind.PARALLEL)
    use = For(k, const(size), Store(a, (i, k), Load(row, (size - 1 - k,))), LoopKind.PARALLEL)
    module = compile_program(
        Program("nested", (a,), For(i, const(6), Allocate(row, seq(fill, use)), LoopKind.PARALLEL)), threads=threads
    )
    result = np.zeros((6, size), np.int32)
    for _ in range(10):
        result[...] = 0
        module(result)
        np.testing.assert_array_equal(result, np.arange(6)[:, None] * 7 + np.arange(size)[::-1])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("extent", [-(2**31), -2, 0, 1])
def test_parallel_loops_of_no_iterations_do_nothing(threads, extent):
    a = buffer("a", 2)
    fill = For(i, Load(a, (const(0),)), Store(a, (const(1),), i + 5), LoopKind.PARALLEL)
    result = np.array([extent, 7], np.int32)
    compile_program(Program("empty", (a,), fill), threads=threads)(result)
    assert result[1] == (5 if extent == 1 else 7)


def test_long_loops_stay_loops_though_they_are_to_be_unrolled():
    a = buffer("a", 1 << 20)
    fill = For(i, const(1 << 20), Store(a, (i,), i * 3), LoopKind.UNROLLED)
    module = compile_program(Program("long", (a,), fill))
    assert module.source.count("store i32") == 1
    result = np.zeros(1 << 20, np.int32)
    module(result)
    np.testing.assert_array_equal(result, 3 * np.arange(1 << 20))


def test_accumulators_stay_in_registers():
    """The innermost loop of the product is four fused multiply-adds on registers, and no store."""
    assembly = compile_program(matmul(128), target="x86-64").assembly
    loops = re.findall(r"^(\.LBB\w+):[^\n]*\n((?:\t[^\n]*\n)+?)\tj\w+\t\1\n", assembly, re.M)
    inner = [body for _, body in loops if "vfmadd" in body]
    assert len(inner) == 1
    assert not re.search(r"\tvmov[au]ps\t%[xy]mm\d+, ", inner[0])


def test_an_unroll_pragma_writes_iterations_out():
    a, b = buffer("a", 64, dtype="float32"), buffer("b", 1, dtype="float32")
    add = Store(b, (const(0),), Load(b, (const(0),)) + Load(a, (i,)))

    def additions(pragmas):
        loop = For(i, const(64), add, pragmas=pragmas)
        return compile_program(Program("sum", (a, b), loop), target="x86-64").assembly.count("vaddss")

    assert (additions(()), additions((("unroll", 4),))) == (1, 4)


@pytest.mark.parametrize(
    ("stmt", "message"),
    [
        (Barrier(), "threads of a group meet at a barrier, but a CPU executes them one after the other"),
        (Store(buffer("a", 4), (i,), const(1)), "variable i is used outside of its loop"),
        (
            Store(buffer("z", 4), (const(0),), const(1)),
            "buffer z is neither a parameter nor allocated where it is used",
        ),
    ],
)
def test_what_a_cpu_cannot_do_is_refused_in_one_line(stmt, message):
    shape = buffer("shape", n)
    with pytest.raises(CodegenError, match=re.escape(message)):
        compile_program(Program("refused", (shape,), stmt, sizes=(n,)))
