"""Threads of a group fill shared memory together and keep local memory to themselves."""

from __future__ import annotations

import pytest

import dovetail as t
from dovetail.compiler.lower import LoweringError, lower
from dovetail.compiler.passes.threads import insert_barriers
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from tests.compiler.lower.running import lowered, text


def cooperative(rows: int, fetched: int) -> tuple[tuple[Tensor, ...], Schedule]:
    """A product in groups of 2 by 2 threads of 8 by 8 elements, which fetch `fetched` elements one after another."""
    a, b = (t.placeholder((6, rows), "int32", name=name) for name in "AB")
    k = t.reduce_axis((0, 6), name="k")
    c = t.compute((rows, rows), lambda y, x: t.sum(a[k, y] * b[k, x], axis=k), name="C")
    s = t.create_schedule(c)
    copies = [s.cache_read(tensor, "shared", name=name) for tensor, name in ((a, "AS"), (b, "BS"))]
    sums = s.cache_write(c, "local", name="CL")
    tx, ty = t.thread_axis("threadIdx.x"), t.thread_axis("threadIdx.y")
    by, bx, yi, xi = s[c].tile(*s[c].op.axis, 16, 16)
    yo, xo, yi, xi = s[c].tile(yi, xi, 8, 8)
    for axis, thread in ((by, t.thread_axis("blockIdx.y")), (bx, t.thread_axis("blockIdx.x")), (yo, ty), (xo, tx)):
        s[c].bind(axis, thread)
    s[sums].compute_at(s[c], xo)
    y, x = s[sums].op.axis
    s[sums].reorder(*s[sums].op.reduce_axis, y, x)
    for copy in copies:
        s[copy].compute_at(s[sums], s[sums].op.reduce_axis[0])
        outer, i = s[copy].split(s[copy].op.axis[1], 2 * fetched)
        i, inner = s[copy].split(i, 2)
        s[copy].bind(outer, ty)
        s[copy].bind(inner, tx)
    return (a, b, c), s


def test_shared_memory_is_filled_by_all_threads_for_all_threads() -> None:
    args, s = cooperative(32, 4)
    assert (
        str(lowered(s, args, insert_barriers))
        == """\
for thread_group (yo, xo) in cross(2, 2):
    for thread_item (yio, xio) in cross(2, 2):
        local CL[8][8] = 0
        shared AS[1][16], BS[1][16]
        for k in range(6):
            for ax1io in range(4):
                AS[0][yio*8+ax1io*2+xio] = A[k][yo*16+yio*8+ax1io*2+xio]
            for ax1io_1 in range(4):
                BS[0][yio*8+ax1io_1*2+xio] = B[k][xo*16+yio*8+ax1io_1*2+xio]
            memory_barrier_among_threads()
            for y in range(8):
                for x in range(8):
                    CL[y][x] += AS[0][yio*8+y] * BS[0][xio*8+x]
            memory_barrier_among_threads()
        for yii in range(8):
            for xii in range(8):
                C[yo*16+yio*8+yii][xo*16+xio*8+xii] = CL[yii][xii]"""
    )


def test_guards_do_not_part_threads_that_meet_at_barriers() -> None:
    args, s = cooperative(20, 4)
    program = lowered(s, args, insert_barriers)
    assert any("min(8, " in line for line in text(program))


def test_a_stage_may_use_fewer_threads_than_there_are() -> None:
    args, s = cooperative(32, 8)
    assert any(line.strip() == "if yio < 1:" for line in text(lowered(s, args, insert_barriers)))


def test_a_stage_cannot_use_more_threads_than_there_are() -> None:
    args, s = cooperative(32, 2)
    with pytest.raises(LoweringError, match=r"AS: ax1o has the extent 4, more than the 2 threads of yio"):
        lower(s, args)


def test_a_shared_sum_is_not_added_up_by_every_thread() -> None:
    a = t.placeholder((8, 13), name="A")
    k = t.reduce_axis((0, 8), name="k")
    c = t.compute((13,), lambda x: t.sum(a[k, x], axis=k), name="C")
    e = t.compute((13,), lambda y: c[y] * 2, name="E")
    s = t.create_schedule(e)
    (y,) = s[e].op.axis
    s[e].bind(y, t.thread_axis("threadIdx.x"))
    s[c].set_scope("shared")
    s[c].compute_at(s[e], y)
    with pytest.raises(LoweringError, match="C in shared memory would be reduced by every thread of threadIdx.x; bind"):
        lower(s, [a, e])
