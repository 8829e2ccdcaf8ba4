"""Stages that are computed inside of others: how much of them, and where they may not be."""

from __future__ import annotations

import dovetail as t
from dovetail.compiler.te.tensor import Tensor
from tests.compiler.lower.running import lowered, text


def chain(extent: int = 20) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a = t.placeholder((extent + 3,), "int32", name="A")
    b = t.compute((extent + 2,), lambda i: a[i] + a[i + 1], name="B")
    c = t.compute((extent + 1,), lambda i: b[i] * b[i + 1], name="C")
    return a, b, c, t.compute((extent,), lambda i: c[i] - c[i + 1], name="D")


def test_tiles_of_a_chain_of_stencils_are_exact_to_the_last() -> None:
    a, b, c, d = chain()
    s = t.create_schedule(d)
    outer, _ = s[d].split(s[d].op.axis[0], 8)
    s[c].compute_at(s[d], outer)
    s[b].compute_at(s[d], outer)
    assert (
        str(lowered(s, [a, d]))
        == """\
global B[10], C[9]
for io in range(3):
    for i in range(min(8, 20 - io * 8) + 2):
        B[i] = A[io*8+i] + A[io*8+i+1]
    for i_1 in range(min(8, 20 - io * 8) + 1):
        C[i_1] = B[i_1] * B[i_1+1]
    for ii in range(min(8, 20 - io * 8)):
        D[io*8+ii] = C[ii] - C[ii+1]"""
    )


def test_a_stage_may_be_computed_in_one_that_is_itself_computed_inside() -> None:
    a, b, c, d = chain()
    s = t.create_schedule(d)
    outer, _ = s[d].split(s[d].op.axis[0], 8)
    s[c].compute_at(s[d], outer)
    middle, _ = s[c].split(s[c].op.axis[0], 3)
    s[b].compute_at(s[c], middle)
    assert (
        str(lowered(s, [a, d]))
        == """\
global B[4], C[9]
for io in range(3):
    for io_1 in range(min(8, 20 - io * 8) // 3 + 1):
        for i in range(min(3, min(8, 20 - io * 8) - io_1 * 3 + 1) + 1):
            B[i] = A[io*8+io_1*3+i] + A[io*8+io_1*3+i+1]
        for ii_1 in range(min(3, min(8, 20 - io * 8) - io_1 * 3 + 1)):
            C[io_1*3+ii_1] = B[ii_1] * B[ii_1+1]
    for ii in range(min(8, 20 - io * 8)):
        D[io*8+ii] = C[ii] - C[ii+1]"""
    )


def test_only_what_is_read_is_computed() -> None:
    a = t.placeholder((10, 10), "int32", name="A")
    b = t.compute((10, 10), lambda y, x: a[y, x] + 1, name="B")
    c = t.compute((3, 4), lambda y, x: b[y + 2, x * 2] + b[y + 1, x * 2 + 1], name="C")
    assert text(lowered(t.create_schedule(c), [a, c]))[:4] == [
        "global B[4][8]",
        "for y in range(4):",
        "    for x in range(8):",
        "        B[y][x] = A[y+1][x] + 1",
    ]


def test_padding_is_computed_by_tile_too() -> None:
    data = t.placeholder((9, 9), "int8", name="data")

    def pixel(y: t.Axis, x: t.Axis) -> object:
        return t.if_then_else(t.all(y >= 1, y < 10, x >= 1, x < 10), data[y - 1, x - 1], 0)

    pad = t.compute((11, 11), pixel, name="pad")
    dy = t.reduce_axis((0, 3), name="dy")
    out = t.compute((5, 11), lambda y, x: t.sum(pad[y * 2 + dy, x].astype("int32"), axis=dy), name="out")
    s = t.create_schedule(out)
    yo, _ = s[out].split(s[out].op.axis[0], 2, first=1)
    s[pad].compute_at(s[out], yo)
    program = text(lowered(s, [data, out]))
    assert "global pad[5][11]" in program
    assert "    for y in range(yo * 4 - max(yo * 2 - 1, 0) * 2 + 3):" in program


def test_a_sum_is_computed_in_a_loop_over_its_reader_and_its_operands_in_one_over_chunks() -> None:
    a = t.placeholder((6, 10), "int32", name="A")
    b = t.placeholder((10, 7), "int32", name="B")
    k = t.reduce_axis((0, 10), name="k")
    sums = t.compute((6, 7), lambda y, x: t.sum(a[y, k] * b[k, x], axis=k), name="sums")
    c = t.compute((6, 7), lambda y, x: t.max(sums[y, x], 0), name="C")
    s = t.create_schedule(c)
    yo, _ = s[c].split(s[c].op.axis[0], 4)
    s[sums].compute_at(s[c], yo)
    y, x = s[sums].op.axis
    ko, ki = s[sums].split(k, 4)
    s[sums].reorder(ko, y, x, ki)
    al = s.cache_read(a, "local", name="AL")
    s[al].compute_at(s[sums], ko)
    bl = s.cache_read(b, "local", name="BL")
    s[bl].compute_at(s[c], yo)
    assert (
        str(lowered(s, [a, b, c]))
        == """\
local AL[4][4], BL[10][7]
global sums[4][7]
for yo in range(2):
    for ax0 in range(10):
        for ax1 in range(7):
            BL[ax0][ax1] = B[ax0][ax1]
    sums[0:min(4,6-yo*4)][0:7] = 0
    for ko in range(3):
        for ax0_1 in range(min(4, 6 - yo * 4)):
            for ax1_1 in range(min(4, 10 - ko * 4)):
                AL[ax0_1][ax1_1] = A[yo*4+ax0_1][ko*4+ax1_1]
        for y in range(min(4, 6 - yo * 4)):
            for x_1 in range(7):
                for ki in range(min(4, 10 - ko * 4)):
                    sums[y][x_1] += AL[y][ki] * BL[ko*4+ki][x_1]
    for yi in range(min(4, 6 - yo * 4)):
        for x in range(7):
            C[yo*4+yi][x] = max(sums[yi][x], 0)"""
    )


def test_what_an_unknown_index_reads_is_all() -> None:
    a = t.placeholder((7,), "int32", name="A")
    order = t.placeholder((5,), "int32", name="order")
    b = t.compute((7,), lambda i: a[i] + 1, name="B")
    c = t.compute((5,), lambda i: b[t.min(t.max(order[i], 0), 6)], name="C")
    s = t.create_schedule(c)
    s[b].compute_at(s[c], s[c].op.axis[0])
    assert "    for i_1 in range(7):" in text(lowered(s, [a, order, c]))


def test_fused_loops_know_the_rows_that_they_run_over() -> None:
    a = t.placeholder((6, 8), "int32", name="A")
    b = t.compute((6, 8), lambda y, x: a[y, x] + 1, name="B")
    c = t.compute((6, 8), lambda y, x: b[y, x] * 2, name="C")
    s = t.create_schedule(c)
    outer, _ = s[c].split(s[c].fuse(*s[c].op.axis), 4)
    s[b].compute_at(s[c], outer)
    assert text(lowered(s, [a, c]))[:2] == ["global B[1][4]", "for y_xo in range(12):"]
