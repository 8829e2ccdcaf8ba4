"""Programs of default, tiled and symbolic schedules, and what `lower` refuses."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as t
from dovetail.compiler.lower import LoweringError, lower
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.interpreter import run
from tests.compiler.lower.running import lowered


def product(extent: int = 1024) -> tuple[Tensor, Tensor, Tensor]:
    a = t.placeholder((extent, extent), name="A")
    b = t.placeholder((extent, extent), name="B")
    k = t.reduce_axis((0, extent), name="k")
    return a, b, t.compute((extent, extent), lambda y, x: t.sum(a[k, y] * b[k, x], axis=k), name="C")


def test_the_default_schedule_is_a_loop_an_axis() -> None:
    args = product()
    assert (
        str(lower(t.create_schedule(args[-1].op), args))
        == """\
for y in range(1024):
    for x in range(1024):
        C[y][x] = 0
        for k in range(1024):
            C[y][x] += A[k][y] * B[k][x]"""
    )
    small = product(5)
    lowered(t.create_schedule(small[-1]), small)


@pytest.mark.parametrize("name", ["", "two words", "1st", 'quoted"'])
def test_programs_are_named_by_identifiers(name: str) -> None:
    args = product(4)
    with pytest.raises(LoweringError, match="^the program's name is to be an identifier, not "):
        lower(t.create_schedule(args[-1]), args, name)


def tiled(args: tuple[Tensor, ...]) -> t.Schedule:
    c = args[-1]
    s = t.create_schedule(c)
    s[c].tile(*s[c].op.axis, *s[c].op.reduce_axis, 8, 8, 8)
    return s


def test_tiles_are_initialised_before_the_outermost_reduce_loop() -> None:
    args = product()
    assert (
        str(lower(tiled(args), args))
        == """\
for yo in range(128):
    for xo in range(128):
        C[yo*8:yo*8+8][xo*8:xo*8+8] = 0
        for ko in range(128):
            for yi in range(8):
                for xi in range(8):
                    for ki in range(8):
                        C[yo*8+yi][xo*8+xi] += A[ko*8+ki][yo*8+yi] * B[ko*8+ki][xo*8+xi]"""
    )
    for extent in (16, 13, 8, 3):
        small = product(extent)
        lowered(tiled(small), small)


def symbolic() -> tuple[Tensor, Tensor, Tensor]:
    m, n, h = t.var("m"), t.var("n"), t.var("h")
    a = t.placeholder((m, h), "int32", name="A")
    b = t.placeholder((n, h), "int32", name="B")
    d = t.compute((m, h), lambda y, x: a[y, x] + 1, name="D")
    k = t.reduce_axis((0, h), name="k")
    return a, b, t.compute((m, n), lambda y, x: t.sum(d[y, k] * b[x, k], axis=k), name="C")


@pytest.mark.parametrize("schedule", ["default", "tiled", "attached", "fused"])
def test_symbolic_extents(schedule: str) -> None:
    args = symbolic()
    c = args[-1]
    s = t.create_schedule(c) if schedule != "tiled" else tiled(args)
    (d,) = (tensor for tensor in s.tensors.values() if tensor.name == "D")
    if schedule == "attached":
        local = s.cache_write(c, "local", name="CL")
        yo, xo, _, xi = s[c].tile(*s[c].op.axis, 8, 4)
        s[c].vectorize(xi)
        s[local].compute_at(s[c], xo)
        s[d].compute_at(s[c], yo)
    if schedule == "fused":
        outer, _ = s[c].split(s[c].fuse(*s[c].op.axis), 8)
        s[d].compute_at(s[c], outer)
    program = lower(s, args)
    rng = np.random.default_rng(0)
    for m, n, h in ((1, 1, 1), (8, 8, 8), (13, 7, 9), (16, 17, 5)):
        left, right = rng.integers(-9, 9, (m, h), np.int32), rng.integers(-9, 9, (n, h), np.int32)
        result = np.zeros((m, n), np.int32)
        run(program, left, right, result)
        np.testing.assert_array_equal(result, (left + 1) @ right.T)


def test_several_outputs_share_what_they_read() -> None:
    a = t.placeholder((6, 5), "int32", name="A")
    b = t.compute((6, 5), lambda y, x: a[y, x] * 2, name="B")
    c = t.compute((5,), lambda x: b[3, x] + b[1, x], name="C")
    s = t.create_schedule([b, c])
    lowered(s, [a, c, b])


def test_arguments_must_be_those_of_the_schedule() -> None:
    a, b, c = product(4)
    s = t.create_schedule(c)
    with pytest.raises(LoweringError, match="B is read, but not among the arguments"):
        lower(s, [a, c])
    with pytest.raises(LoweringError, match="C is an output of the schedule, but not among the arguments"):
        lower(s, [a, b])
    with pytest.raises(LoweringError, match="A is among the arguments twice"):
        lower(s, [a, a, b, c])


def test_loops_over_virtual_threads_keep_their_name_and_own_their_buffers() -> None:
    a = t.placeholder((16,), "int32", name="A")
    b = t.compute((16,), lambda i: a[i] + 1, name="B")
    s = t.create_schedule(b)
    copy = s.cache_read(a, "local", name="L")
    tx, i = s[b].split(s[b].op.axis[0], nparts=2)
    s[b].bind(tx, t.thread_axis("vthread"))
    io, _ = s[b].split(i, 4)
    s[copy].compute_at(s[b], io)
    s[copy].ring_buffer(2)
    assert (
        str(lowered(s, [a, b]))
        == """\
for vthread io in range(2):
    local L[4] (2 copies)
    for iio in range(2):
        for ax0 in range(4):
            L[ax0] = A[io*8+iio*4+ax0]
        for iii in range(4):
            B[io*8+iio*4+iii] = L[iii] + 1"""
    )


def test_loops_that_run_once_vanish_unless_something_is_said_of_them() -> None:
    a = t.placeholder((1, 4), "int32", name="A")
    b = t.compute((1, 4), lambda y, x: a[y, x] + 1, name="B")
    s = t.create_schedule(b)
    assert "for y" not in str(lowered(s, [a, b]))
    s[b].pragma(s[b].op.axis[0], "lanes")
    assert "for y in range(1)" in str(lowered(s, [a, b]))
