"""Nests that move elements become copies that move the same ones; others are left, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dovetail.compiler import te as t
from dovetail.compiler.lower import lower
from dovetail.compiler.passes.errors import MappingError
from dovetail.compiler.passes.inject_copies import inject_copies
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir.expr import Cast, Const, Expr, ExprLike, Load, Select, Var, all_of, as_expr
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import Buffer, Copy, For, Program, Stmt, Store
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.tir.verifier import check
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER, Vdla
from dovetail.isa.config import load_config

Array = np.ndarray[Any, Any]
Golden = Callable[[object, str], None]


def buffer(name: str, shape: Sequence[int], scope: str = "global", dtype: str = "int8") -> Buffer:
    return Buffer(name, tuple(map(Const, shape)), dtype, scope)


def nest(loops: Sequence[tuple[Var, ExprLike]], dst: Buffer, indices: Sequence[Expr], value: Expr) -> Stmt:
    stmt: Stmt = Store(dst, tuple(indices), value)
    for var, extent in reversed(loops):
        stmt = For(var, as_expr(extent), stmt)
    return stmt


def copies(program: Program) -> list[Copy]:
    return [part for part in walk(program) if isinstance(part, Copy)]


def after(program: Program, dst: Array, src: Array) -> Array:
    """What `dst` holds then."""
    check(program)
    result = dst.copy()
    run(program, result, src)
    return result


def test_listing_2(golden: Golden) -> None:
    vdla = Vdla(load_config("batch8"))
    a, b = (t.placeholder((1024, 1024), "int8", name=name) for name in "AB")
    k = t.reduce_axis((0, 1024), name="k")
    c = t.compute((1024, 1024), lambda y, x: t.sum(a[k, y].astype("int32") * b[k, x].astype("int32"), axis=k), name="C")
    s = t.create_schedule(c)
    y, x = s[c].op.axis
    _, _, ko, yi, *_ = s[c].tile(y, x, k, 8, 8, 8)
    cl = s.cache_write(c, vdla.acc_buffer)
    out_y, out_x = s[c].op.axis
    _, xo_out, *_ = s[c].tile(out_y, out_x, 8, 8)
    s[cl].compute_at(s[c], xo_out)
    for tensor in (a, b):
        s[s.cache_read(tensor, vdla.inp_buffer, [cl])].compute_at(s[cl], ko)
    s[cl].tensorize(yi, vdla.gemm8x8)
    golden(inject_copies(simplify(lower(s, (a, b, c)))), "copies_listing_2")


@given(st.data())
def test_windows_with_padding_and_steps(data: st.DataObject) -> None:
    """A box of any place and step, with a constant wherever it is outside, in a conjunction as users write it."""
    axes = data.draw(st.integers(1, 3))
    sizes, extents, steps, offsets = (
        data.draw(st.lists(st.integers(*ends), min_size=axes, max_size=axes))
        for ends in ((1, 5), (1, 5), (1, 3), (-4, 4))
    )
    padding = data.draw(st.integers(-128, 127))
    dst, src = buffer("dst", extents, INP_BUFFER), buffer("src", sizes)
    variables = [Var(f"i{axis}") for axis in range(axes)]
    at = [var * step + offset for var, step, offset in zip(variables, steps, offsets, strict=True)]
    inside = [condition for index, size in zip(at, sizes, strict=True) for condition in (index >= 0, index < size)]
    value = Select(all_of(inside), Load(src, tuple(at)), Const(padding, "int8"), guard=True)
    loops = data.draw(st.permutations(list(zip(variables, extents, strict=True))))
    program = Program("main", (dst, src), nest(loops, dst, variables, value))
    elements = np.arange(1, np.prod(sizes) + 1, dtype=np.int8).reshape(sizes)
    expected = np.full(extents, padding, np.int8)
    for point in np.ndindex(*extents):
        place = tuple(p * step + offset for p, step, offset in zip(point, steps, offsets, strict=True))
        if all(0 <= p < size for p, size in zip(place, sizes, strict=True)):
            expected[point] = elements[place]
    assume((expected != padding).any())
    for before in (program, simplify(program)):
        moved = inject_copies(before)
        assert copies(moved) == [moved.body]
        np.testing.assert_array_equal(after(moved, np.zeros(extents, np.int8), elements), expected)


@given(st.permutations(range(3)))
def test_permuted_axes_keep_their_order_within_a_copy(order: list[int]) -> None:
    extents = (2, 3, 4)
    dst, src = buffer("dst", extents, INP_BUFFER), buffer("src", [extents[axis] for axis in order])
    variables = [Var(f"i{axis}") for axis in range(3)]
    value = Load(src, tuple(variables[axis] for axis in order))
    program = Program("main", (dst, src), nest(list(zip(variables, extents, strict=True)), dst, variables, value))
    elements = np.arange(24, dtype=np.int8).reshape(src.extents)
    expected = elements.transpose(np.argsort(order))
    np.testing.assert_array_equal(after(inject_copies(program), np.zeros(extents, np.int8), elements), expected)


def test_split_loops_are_one_range_again() -> None:
    outer, inner = Var("outer"), Var("inner")
    dst, src = buffer("dst", (12,), INP_BUFFER), buffer("src", (40,))
    index = outer * 4 + inner
    program = Program(
        "main", (dst, src), nest([(outer, 3), (inner, 4)], dst, [index], Load(src, (outer * 12 + inner * 3 + 2,)))
    )
    assert str(inject_copies(program)) == "vdla.dma_copy2d(dst, src[2:38:3])"


def test_what_is_no_box_stays_a_loop() -> None:
    """A reversed axis, a diagonal and a repeated row: only what steps forward through both becomes a range."""
    i, j = Var("i"), Var("j")
    dst, src = buffer("dst", (3, 4), INP_BUFFER), buffer("src", (3, 4))
    square = buffer("src", (4, 4))
    loops = [(i, 3), (j, 4)]
    elements = np.arange(12, dtype=np.int8).reshape(3, 4)
    for source, index, expected in (
        (src, (2 - i, j), elements[::-1]),
        (src, (Const(1), j), np.repeat(elements[1:2], 3, axis=0)),
    ):
        program = inject_copies(Program("main", (dst, src), nest(loops, dst, (i, j), Load(source, index))))
        assert isinstance(program.body, For) and isinstance(program.body.body, Copy)
        np.testing.assert_array_equal(after(program, np.zeros((3, 4), np.int8), elements), expected)
    column = buffer("dst", (4,), INP_BUFFER)
    program = inject_copies(Program("main", (column, square), nest([(j, 4)], column, [j], Load(square, (j, j)))))
    assert isinstance(program.body, For) and isinstance(program.body.body, Copy)


def test_extents_that_vary_and_guards_stay_symbolic() -> None:
    i, j = Var("i"), Var("j")
    acc, out = buffer("acc", (6,), ACC_BUFFER, "int32"), buffer("out", (3, 6), dtype="int32")
    rows = For(i, Const(3), nest([(j, i + 1)], out, (i, j), Load(acc, (j,))))
    program = inject_copies(Program("main", (out, acc), rows))
    assert str(program) == "for i in range(3):\n    vdla.dma_copy2d(out[i,0:i+1], acc[0:i+1])"
    sums = np.arange(6, dtype=np.int32)
    result = after(program, np.zeros((3, 6), np.int32), sums)
    np.testing.assert_array_equal(result, np.tril(np.ones((3, 6), np.int32)) * sums)


def test_arithmetic_and_other_memories_are_left_alone() -> None:
    i = Var("i")
    acc, inp, src = buffer("acc", (4,), ACC_BUFFER, "int32"), buffer("inp", (4,), INP_BUFFER), buffer("src", (4,))
    local = buffer("local", (4,), "local")
    for dst, value in (
        (acc, Cast("int32", Load(inp, (i,)))),
        (acc, Const(0)),
        (local, Load(src, (i,))),
        (src, Cast("int8", Load(acc, (i,)))),
    ):
        program = Program("main", (acc, inp, src, local), nest([(i, 4)], dst, [i], value))
        assert inject_copies(program).body == program.body


i = Var("i")
DST, SRC, ACC = buffer("dst", (8,), INP_BUFFER), buffer("src", (8,)), buffer("acc", (8,), ACC_BUFFER, "int32")
HERE = Load(SRC, (i,))


@pytest.mark.parametrize(
    ("dst", "value", "message"),
    [
        (
            DST,
            HERE + HERE,
            r"compute dst: src\[i\] \+ src\[i\] cannot be put into inp_buffer.* compute it in acc_buffer",
        ),
        (DST, Const(0, "int8"), "compute dst: 0 cannot be put into inp_buffer"),
        (DST, Select(i < 4, HERE, Const(0, "int8"), True), r"i < 4 is not the same as src\[i\] being inside of src"),
        (SRC, Load(DST, (i,)), r"dst\[i\] lies in inp_buffer; only acc_buffer can be stored"),
    ],
)
def test_refusals(dst: Buffer, value: Expr, message: str) -> None:
    program = Program("main", (DST, SRC, ACC), nest([(i, 8)], dst, [i], value))
    with pytest.raises(MappingError, match=message) as refusal:
        inject_copies(program)
    assert "\n" not in str(refusal.value)
