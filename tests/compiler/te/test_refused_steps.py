"""Impossible steps are refused at once, at their line, with the axis and the reason, and leave the schedule alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import dovetail as t
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.scheduled import ScheduledStage
from dovetail.compiler.te.tensor import Axis

DOT = t.TensorIntrinsic("dot", t.compute((8,), lambda i: 0, name="unused"), ())


class Case:
    """A -> P (one more than A) -> C (product of P and B, over k) -> D (C clipped), an output, and E, which reads P."""

    def __init__(self) -> None:
        self.A = t.placeholder((16, 12), name="A")
        self.B = t.placeholder((12, 8), name="B")
        self.P = t.compute((16, 12), lambda i, j: self.A[i, j] + 1, name="P")
        k = t.reduce_axis((0, 12), name="k")
        self.C = t.compute((16, 8), lambda y, x: t.sum(self.P[y, k] * self.B[k, x], axis=k), name="C")
        self.D = t.compute((16, 8), lambda y, x: t.clip(self.C[y, x], 0, 6), name="D")
        self.E = t.compute((16,), lambda i: self.P[i, 0] * 2, name="E")
        n = t.var("n")
        self.U = t.placeholder((n,), name="U")
        self.V = t.compute((n,), lambda i: self.U[i] + 1, name="V")
        self.s: Schedule = t.create_schedule([self.D, self.E, self.V])

    @property
    def c(self) -> ScheduledStage:
        return self.s[self.C]

    @property
    def d(self) -> ScheduledStage:
        return self.s[self.D]

    @property
    def p(self) -> ScheduledStage:
        return self.s[self.P]

    @property
    def y(self) -> Axis:
        return self.c.op.axis[0]

    @property
    def x(self) -> Axis:
        return self.c.op.axis[1]

    @property
    def k(self) -> Axis:
        return self.c.op.reduce_axis[0]


Do = Callable[[Case], object]


def nothing(case: Case) -> None:
    pass


CASES: list[tuple[Do, Do, str]] = [
    (nothing, lambda a: a.c.split(a.y), "split of y in C: give either factor or nparts"),
    (nothing, lambda a: a.c.split(a.y, 2, nparts=2), "split of y in C: give either factor or nparts"),
    (nothing, lambda a: a.c.split(a.y, 0), "split of y in C: factor must be an integer of at least 1, not 0"),
    (nothing, lambda a: a.c.split(a.y, 1.5), "split of y in C: factor must be an integer of at least 1, not 1.5"),
    (nothing, lambda a: a.c.split(a.y, nparts=-1), "split of y in C: nparts must be an integer of at least 1, not -1"),
    (nothing, lambda a: a.c.split(a.y, 4, first=0), "split of y in C: first must be an integer of at least 1, not 0"),
    (nothing, lambda a: a.c.split(a.y, 4, first=5), "split of y in C: the first tile, 5, is larger than the others, 4"),
    (
        nothing,
        lambda a: a.s[a.V].split(a.V.op.axis[0], nparts=4),
        "split of i in V: nparts needs a constant extent; use factor",
    ),
    (lambda a: a.c.split(a.y, 4), lambda a: a.c.split(a.y, 2), "split of y in C: it was split; use yo or yi"),
    (lambda a: a.c.fuse(a.y, a.x), lambda a: a.c.split(a.y, 2), "split of y in C: it was fused; use y_x"),
    (
        nothing,
        lambda a: a.d.split(a.y, 2),
        "split of y in D: it is an axis of C; take axes from s[D].op",
    ),
    (
        nothing,
        lambda a: a.c.split(t.reduce_axis((0, 4), name="r"), 2),
        "split of r in C: the stage has no such loop, only y, x, k; take axes from s[C].op",
    ),
    (nothing, lambda a: a.c.split("y", 2), "split of y in C: an axis is needed, such as y"),
    (
        lambda a: a.c.vectorize(a.x),
        lambda a: a.c.split(a.x, 2),
        "split of x in C: it is vectorized already; split before that",
    ),
    (
        lambda a: a.c.pragma(a.x, "lanes"),
        lambda a: a.c.split(a.x, 2),
        "split of x in C: it is marked 'lanes' already; split before that",
    ),
    (
        lambda a: a.c.compute_at(a.d, a.d.op.axis[0]),
        lambda a: a.d.split(a.d.op.axis[0], 2),
        "split of y in D: C is computed at it; split before compute_at",
    ),
    (
        lambda a: a.c.tensorize(a.x, DOT),
        lambda a: a.c.split(a.k, 2),
        "split of k in C: dot replaces the loops from x on; split before tensorize",
    ),
    (nothing, lambda a: a.c.tile(a.y, a.x, 2), "tile of C: give axes, then as many factors, as in tile(y, x, 8, 8)"),
    (nothing, lambda a: a.c.tile(a.y, 2, a.x, 2), "tile of C: give axes, then as many factors, as in tile(y, x, 8, 8)"),
    (nothing, lambda a: a.c.tile(a.y, a.y, 2, 2), "tile of C: an axis is named twice in y, y"),
    (nothing, lambda a: a.c.fuse(a.y), "fuse of y in C: it takes at least two axes"),
    (nothing, lambda a: a.c.fuse(a.y, a.k), "fuse of y, k in C: y is a data axis and k a reduce axis"),
    (
        lambda a: a.c.reorder(a.k, a.x),
        lambda a: a.c.fuse(a.y, a.x),
        "fuse of y, x in C: x is not the loop directly inside of y; reorder first",
    ),
    (
        nothing,
        lambda a: a.c.fuse(a.x, a.y),
        "fuse of x, y in C: y is not the loop directly inside of x; reorder first",
    ),
    (nothing, lambda a: a.c.reorder(a.y, a.y), "reorder of y, y in C: an axis is named twice"),
    (nothing, lambda a: a.d.reorder(a.x, a.y), "reorder of x in D: it is an axis of C; take axes from s[D].op"),
    (
        nothing,
        lambda a: a.c.vectorize(a.k),
        "vectorize of k in C: it is a reduce axis, whose iterations all update one value; rfactor it first",
    ),
    (
        nothing,
        lambda a: a.c.parallel(a.k),
        "parallel of k in C: it is a reduce axis, whose iterations all update one value; rfactor it first",
    ),
    (
        nothing,
        lambda a: a.s[a.V].vectorize(a.V.op.axis[0]),
        "vectorize of i in V: its extent, n, is not constant; split it by a factor",
    ),
    (
        nothing,
        lambda a: a.s[a.V].unroll(a.V.op.axis[0]),
        "unroll of i in V: its extent, n, is not constant; split it by a factor",
    ),
    (lambda a: a.c.parallel(a.y), lambda a: a.c.unroll(a.y), "unroll of y in C: it is parallel already"),
    (nothing, lambda a: a.c.bind(a.y, a.x), "bind of y in C: x is not a thread axis; make one with thread_axis"),
    (
        nothing,
        lambda a: a.c.bind(a.c.split(a.y, 4)[1], t.thread_axis("vthread", 2)),
        "bind of yi in C: its extent is 4, that of vthread 2",
    ),
    (
        lambda a: a.c.bind(a.y, t.thread_axis("threadIdx.x")),
        lambda a: a.c.bind(a.x, t.thread_axis("threadIdx.x")),
        "bind of x in C: y is bound to threadIdx.x already",
    ),
    (
        nothing,
        lambda a: a.c.bind(a.k, t.thread_axis("vthread")),
        "bind of k in C: it is a reduce axis, whose iterations all update one value; rfactor it first",
    ),
    (
        nothing,
        lambda a: a.c.pragma(a.y, "key", [1]),
        "pragma of y in C: the value of 'key' must be a number, a string or a boolean, not [1]",
    ),
    (
        nothing,
        lambda a: a.d.compute_at(a.c, a.y),
        "compute_at of D: it is an output, which is computed at the root",
    ),
    (
        nothing,
        lambda a: a.c.compute_at(a.d, a.y),
        "compute_at of y in D: it is an axis of C; take axes from s[D].op",
    ),
    (
        nothing,
        lambda a: a.c.compute_at(a.c, a.y),
        "compute_at of C: C is itself computed inside of C",
    ),
    (
        nothing,
        lambda a: a.c.compute_at(a.p, a.P.op.axis[0]),
        "compute_at of C: C is computed at i of P, which does not read it",
    ),
    (
        nothing,
        lambda a: a.p.compute_at(a.c, a.y),
        "compute_at of P: P is computed at y of C, but E reads it too, outside of that loop; compute E inside of it "
        "first",
    ),
    (
        lambda a: a.d.vectorize(a.d.op.axis[1]),
        lambda a: a.c.compute_at(a.d, a.d.op.axis[1]),
        "compute_at of C: C is computed at x of D, but x is vectorized; choose a loop outside of it",
    ),
    (
        lambda a: a.c.compute_at(a.d, a.d.op.axis[1]),
        lambda a: a.d.vectorize(a.d.op.axis[0]),
        "vectorize of D: C is computed at x of D, but y is vectorized; choose a loop outside of it",
    ),
    (
        lambda a: a.c.compute_at(a.d, a.d.op.axis[1]),
        lambda a: a.d.tensorize(a.d.op.axis[0], DOT),
        "tensorize of D: C is computed at x of D, but dot replaces the loops from y on",
    ),
    (
        lambda a: (a.c.compute_at(a.d, a.d.op.axis[1]), a.s.cache_read(a.B, "local", name="BL")),
        lambda a: (a.s[a.s.tensors["BL"]].compute_at(a.c, a.k), a.s.rfactor(a.C, a.k)),
        "rfactor of C: BL is computed at k of C, which would no longer be a loop; call compute_root on BL first",
    ),
    (nothing, lambda a: a.d.compute_inline(), "compute_inline of D: it is an output, which must be stored"),
    (
        nothing,
        lambda a: a.c.compute_inline(),
        "compute_inline of C: it is a reduction, which is no expression of its reader",
    ),
    (
        lambda a: a.p.tensorize(a.p.op.axis[1], DOT),
        lambda a: a.p.compute_inline(),
        "compute_inline of P: its loops are tensorized by dot",
    ),
    (
        lambda a: a.s[a.s.cache_read(a.A, "local", name="AL")].compute_at(a.p, a.p.op.axis[0]),
        lambda a: a.p.compute_inline(),
        "compute_inline of P: AL is computed at its i",
    ),
    (
        lambda a: a.p.compute_inline(),
        lambda a: a.p.split(a.P.op.axis[0], 2),
        "split of P: it is computed inline and has no loops; call compute_root on it first",
    ),
    (
        lambda a: a.p.compute_inline(),
        lambda a: a.s.cache_read(a.P, "local"),
        "cache_read of P: it is computed inline and has no loops; call compute_root on it first",
    ),
    (
        nothing,
        lambda a: a.d.set_scope("local"),
        "set_scope of D: outputs lie in global; compute it in local with cache_write",
    ),
    (nothing, lambda a: a.c.set_scope(""), "set_scope of C: a scope is a name such as 'global', not ''"),
    (
        nothing,
        lambda a: a.c.compute_whole(a.k),
        "compute_whole of k in C: it is not an axis of the tensor, which are y, x",
    ),
    (nothing, lambda a: a.c.ring_buffer(0), "ring_buffer of C: copies must be an integer of at least 1, not 0"),
    (nothing, lambda a: a.d.ring_buffer(2), "ring_buffer of D: it is an output, of which there is one"),
    (nothing, lambda a: a.c.tensorize(a.y, "dot"), "tensorize of y in C: 'dot' is not a tensor intrinsic"),
    (
        lambda a: a.c.tensorize(a.x, DOT),
        lambda a: a.c.tensorize(a.y, DOT),
        "tensorize of y in C: dot replaces the loops from x on",
    ),
    (
        lambda a: a.c.unroll(a.k),
        lambda a: a.c.tensorize(a.y, DOT),
        "tensorize of y in C: k, which it would replace, is unrolled",
    ),
    (nothing, lambda a: a.s.cache_read(a.D, "local"), "cache_read of D: no stage reads it"),
    (nothing, lambda a: a.s.cache_read(a.B, "local", [a.D]), "cache_read of B: D does not read it"),
    (nothing, lambda a: a.s.cache_read(a.B, 5), "cache_read of B: a scope is a name such as 'local', not 5"),
    (
        nothing,
        lambda a: a.s.cache_read(t.placeholder((4,), name="Z"), "local"),
        "cache_read of Z: it is not in this schedule",
    ),
    (nothing, lambda a: a.s.cache_read(3, "local"), "cache_read takes a tensor, not 3"),
    (
        nothing,
        lambda a: a.s.cache_write(a.A, "local"),
        "A is a placeholder, which has no loops; make a copy with cache_read",
    ),
    (nothing, lambda a: a.s.rfactor(a.C, a.y), "rfactor of y in C: it is not a reduce axis"),
    (
        lambda a: a.c.tensorize(a.x, DOT),
        lambda a: a.s.rfactor(a.C, a.k),
        "rfactor of k in C: dot replaces loops of the stage",
    ),
    (lambda a: a.c.unroll(a.k), lambda a: a.s.rfactor(a.C, a.k), "rfactor of k in C: it is unrolled already"),
    (nothing, lambda a: a.s[a.A], "A is a placeholder, which has no loops; make a copy with cache_read"),
    (nothing, lambda a: a.s[3], "a schedule takes a tensor to choose a stage, not int"),
    (nothing, lambda a: a.s["C"], "a schedule takes a tensor to choose a stage, not str"),
    (nothing, lambda a: a.s[Case().C], "this schedule computes another tensor that is also named C; use that one"),
    (
        nothing,
        lambda a: a.s[t.compute((4,), lambda i: i, name="Z")],
        "Z has no stage in this schedule, which computes P, C, D, E, V",
    ),
    (nothing, lambda a: t.create_schedule(a.A), "A is not computed; create_schedule takes what compute made"),
    (nothing, lambda a: t.create_schedule([]), "create_schedule needs at least one output"),
]


@pytest.mark.parametrize(("before", "step", "message"), CASES, ids=[message for _, _, message in CASES])
def test_the_step_is_refused(before: Do, step: Do, message: str) -> None:
    case = Case()
    before(case)
    with pytest.raises(t.ScheduleError) as caught:
        step(case)
    where, what = str(caught.value).split(": ", 1)
    file, line = where.rsplit(":", 1)
    assert file == __file__
    assert line_range(step)[0] <= int(line) <= line_range(step)[1]
    assert what == message


def line_range(function: Do) -> tuple[int, int]:
    lines = [line for _, _, line in function.__code__.co_lines() if line]
    return min(lines), max(lines)


def test_a_refused_step_changes_nothing() -> None:
    case = Case()
    case.c.tile(case.y, case.x, 4, 4)
    before, steps = str(case.s), list(case.s.steps)
    for step in (
        lambda: case.p.compute_at(case.c, case.c.leaves[0]),
        lambda: case.d.tile(*case.d.op.axis, 4, 0),
        lambda: case.s.cache_read(case.P, "local", [case.D]),
        lambda: case.d.bind(case.d.op.axis[0], t.thread_axis("vthread", 0)),
    ):
        with pytest.raises(ValueError):
            step()
    assert str(case.s) == before
    assert case.s.steps == steps
    assert list(case.s.tensors) == ["A", "P", "B", "C", "D", "E", "U", "V"]


def test_moving_a_reader_away_from_what_it_reads_is_refused() -> None:
    case = Case()
    cache = case.s.cache_write(case.C, "local", name="CL")
    y = case.c.op.axis[0]
    case.s[cache].compute_at(case.c, y)
    b = case.s.cache_read(case.B, "local", name="BL")
    case.s[b].compute_at(case.c, y)
    with pytest.raises(t.ScheduleError, match="compute_root of CL: BL is computed at y of C, which does not read it"):
        case.s[cache].compute_root()
    with pytest.raises(t.ScheduleError, match="compute_at of C: BL is itself computed inside of C"):
        case.c.compute_at(case.s[b], case.s[b].op.axis[0])
