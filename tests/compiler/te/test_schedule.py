"""Schedule steps: what they do to stages, and that schedules show, are written down and replayed."""

from __future__ import annotations

import json
from random import Random
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dovetail as t
from dovetail.compiler.te.extents import axis_extents
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.stage import Fuse, Split
from dovetail.compiler.te.tensor import ComputeOp
from dovetail.compiler.tir.stmt import LoopKind
from tests.compiler.random_schedules import STEPS, random_arrays, random_expression, random_schedule
from tests.compiler.te_reference import evaluate

GEMM = t.TensorIntrinsic("gemm8x8", t.compute((8, 8), lambda y, x: 0, name="unused"), ())


def matmul(size: int = 1024) -> tuple[t.Tensor, t.Tensor, t.Tensor]:
    """``A, B, C`` with C = A.T @ B."""
    a, b = t.placeholder((size, size), name="A"), t.placeholder((size, size), name="B")
    k = t.reduce_axis((0, size), name="k")
    return a, b, t.compute((size, size), lambda y, x: t.sum(a[k, y] * b[k, x], axis=k), name="C")


def shown(schedule: Schedule, text: str) -> bool:
    return str(schedule) == dedent(text).strip()


def test_the_default_schedule() -> None:
    _, _, c = matmul()
    s = t.create_schedule(c.op)
    assert shown(
        s,
        """
        C:
            for y in 1024
                for x in 1024
                    for k in 1024
                        C = ... of A, B
        """,
    )


def test_tiles_cached_and_tensorized() -> None:
    A, B, C = matmul()  # noqa: N806
    s = t.create_schedule(C.op)
    y, x = C.op.axis
    k = C.op.reduce_axis[0]
    yo, xo, ko, yi, xi, ki = s[C].tile(y, x, k, 8, 8, 8)
    CL = s.cache_write(C, "acc_buffer")  # noqa: N806
    AL = s.cache_read(A, "inp_buffer")  # noqa: N806
    BL = s.cache_read(B, "inp_buffer")  # noqa: N806
    y, x = s[C].op.axis
    xc = s[C].tile(y, x, 8, 8)[1]
    s[CL].compute_at(s[C], xc)
    s[AL].compute_at(s[CL], ko)
    s[BL].compute_at(s[CL], ko)
    s[AL].ring_buffer(2)
    s[CL].tensorize(yi, GEMM)
    assert shown(
        s,
        """
        C:
            for yo in 128
                for xo in 128
                    CL in acc_buffer:
                        for yo in 128
                            for xo in 128
                                for ko in 128
                                    AL in inp_buffer x2:
                                        for ax0 in 1024
                                            for ax1 in 1024
                                                AL = ... of A
                                    BL in inp_buffer:
                                        for ax0 in 1024
                                            for ax1 in 1024
                                                BL = ... of B
                                    gemm8x8 over yi, xi, ki of AL, BL
                    for yi in 8
                        for xi in 8
                            C = ... of CL
        """,
    )
    assert [leaf.name for leaf in s[CL].leaves] == ["yo", "xo", "ko", "yi", "xi", "ki"]
    assert s[CL].leaves[:2] == (yo, xo) and s[CL].leaves[4:] == (xi, ki)
    assert [stage.name for stage in s.stages] == ["AL", "BL", "CL", "C"]


def test_split_by_factor_by_parts_and_with_a_smaller_first_tile() -> None:
    _, _, c = matmul(10)
    s = t.create_schedule(c)
    y, x = s[c].op.axis
    (k,) = s[c].op.reduce_axis
    yo, yi = s[c].split(y, 4)
    xo, xi = s[c].split(x, nparts=4)
    ko, ki = s[c].split(k, factor=4, first=3)
    stage = s[c].stage
    assert stage.relations == [Split(y, yo, yi, 4), Split(x, xo, xi, 3), Split(k, ko, ki, 4, 3)]
    extents = axis_extents(stage)
    assert [extents[leaf].value for leaf in stage.leaves] == [3, 4, 4, 3, 3, 4]
    assert (ko.kind, yi.kind) == (k.kind, y.kind)
    assert s[c].split(yi, 2)[1].name == "yii"


def test_factors_may_be_numpy_integers() -> None:
    _, _, c = matmul(10)
    s = t.create_schedule(c)
    s[c].split(s[c].leaves[0], np.int64(4))
    assert str(t.replay(s.to_json(), c)) == str(s)


def test_fuse_and_reorder() -> None:
    _, _, c = matmul(10)
    s = t.create_schedule(c)
    y, x, k = s[c].leaves
    s[c].reorder(k, y)
    assert s[c].leaves == (k, x, y)
    xy = s[c].fuse(x, y)
    assert s[c].leaves == (k, xy)
    assert s[c].stage.relations == [Fuse(x, y, xy)]
    assert axis_extents(s[c].stage)[xy].value == 100


def test_how_loops_run() -> None:
    a = t.placeholder((8, 4, 16, 2), name="A")
    b = t.compute(a.shape, lambda i, j, k, m: a[i, j, k, m], name="B")
    s = t.create_schedule(b)
    i, j, k, m = s[b].leaves
    s[b].parallel(i)
    s[b].bind(j, t.thread_axis("vthread"))
    s[b].vectorize(k)
    s[b].unroll(m)
    s[b].pragma(k, "lanes")
    s[b].pragma(k, "depth", 1)
    s[b].pragma(k, "depth", 2)
    assert [s[b].stage.loop(leaf).kind for leaf in (i, j, k, m)] == [
        LoopKind.PARALLEL,
        LoopKind.VTHREAD,
        LoopKind.VECTORIZED,
        LoopKind.UNROLLED,
    ]
    assert shown(
        s,
        """
        B:
            for i in 8 parallel
                for j in 4 vthread
                    for k in 16 vectorized (lanes=True, depth=2)
                        for m in 2 unrolled
                            B = ... of A
        """,
    )


def test_threads_of_a_group() -> None:
    a = t.placeholder((64,), name="A")
    b = t.compute((64,), lambda i: a[i] + 1, name="B")
    s = t.create_schedule(b)
    io, ii = s[b].split(s[b].op.axis[0], 16)
    s[b].bind(io, t.thread_axis("blockIdx.x"))
    s[b].bind(ii, t.thread_axis("threadIdx.x", 16))
    shared = s.cache_read(a, "shared", name="AS")
    s[shared].compute_at(s[b], io)
    s[shared].bind(s[shared].op.axis[0], s[b].stage.loop(ii).thread)
    assert "for ax0 in 64 threadIdx.x" in str(s)
    again = t.replay(s.to_json(), b)
    assert str(again) == str(s)
    assert again.stages[0].attributes.popitem()[1].thread is again.threads[1]


def test_readers_see_the_cache_and_others_do_not() -> None:
    a = t.placeholder((4,), name="A")
    b = t.compute((4,), lambda i: a[i] + 1, name="B")
    c = t.compute((4,), lambda i: a[i] + b[i], name="C")
    s = t.create_schedule([b, c])
    cache = s.cache_read(a, "local", readers=[c])
    assert cache.name == "cache"
    assert str(s[c].op.body) == "cache[i] + B[i]"
    assert str(s[b].op.body) == "A[i] + 1"
    assert [stage.name for stage in s.stages] == ["B", "cache", "C"]


def test_inline_stages_are_seen_through() -> None:
    a = t.placeholder((4,), name="A")
    b = t.compute((4,), lambda i: a[i] + 1, name="B")
    c = t.compute((4,), lambda i: b[i] * 2, name="C")
    s = t.create_schedule(c)
    cache = s.cache_read(a, "local", name="AL")
    s[b].compute_inline()
    s[cache].compute_at(s[c], s[c].op.axis[0])
    assert shown(
        s,
        """
        inline B of AL
        C:
            for i in 4
                AL in local:
                    for ax0 in 4
                        AL = ... of A
                C = ... of B
        """,
    )
    s[cache].compute_root()
    s[b].compute_root()
    assert not s[b].stage.inline


def test_rfactor_reduces_in_two_steps() -> None:
    a = t.placeholder((3, 10), "int32", name="A")
    k = t.reduce_axis((1, 10), name="k")
    b = t.compute((3,), lambda i: t.max(a[i, k], axis=k), name="B")
    s = t.create_schedule(b)
    _, ki = s[b].split(s[b].op.reduce_axis[0], 4)
    partial = s.rfactor(b, ki)
    assert [axis.name for axis in s[partial].op.axis] == ["ki", "i"]
    assert str(s[partial].op.body.source) == "if_then_else(ko * 4 + ki < 9, A[i, 1+(ko*4+ki)], -2147483648)"
    assert [axis.name for axis in s[b].op.reduce_axis] == ["ki"]
    x = np.random.default_rng(0).integers(-100, 100, (3, 10), np.int32)
    assert np.array_equal(evaluate([t.Tensor(s[b].op)], {a: x})[0], x[:, 1:].max(1))


def test_names_are_unique_in_a_schedule() -> None:
    x = t.placeholder((4,), name="x")
    y = t.compute((4,), lambda i: x[i] + 1, name="x")
    s = t.create_schedule(y)
    cache = s.cache_write(y, "local", name="x")
    assert list(s.tensors) == ["x", "x_1", "x_2"]
    s[cache].split(s[cache].op.axis[0], 2)
    assert str(t.replay(s.to_json(), y)) == str(s)


def test_steps_are_plain_data() -> None:
    a, _, c = matmul()
    s = t.create_schedule(c)
    s[c].split(s[c].op.axis[0], 8)
    s.cache_read(a, "local", name="AL")
    s[c].tensorize(s[c].leaves[1], GEMM)
    assert s.steps == [
        ("split", ("stage", "C"), ("axis", "C", "y"), 8, None, None),
        ("cache_read", ("tensor", "A"), "local", "AL"),
        ("tensorize", ("stage", "C"), ("axis", "C", "yi"), ("intrinsic", "gemm8x8")),
    ]
    assert json.loads(s.to_json())["steps"][2][3] == ["intrinsic", "gemm8x8"]
    again = t.replay(s.to_json(), c, intrinsics=[GEMM])
    assert again.steps == s.steps
    assert again.stages[1].tensorized == (again.stages[1].leaves[1], GEMM)


@given(st.integers(0, 2**32))
def test_a_replayed_schedule_is_the_same(seed: int) -> None:
    s = random_schedule(Random(seed + 1), random_expression(Random(seed)))
    fresh = [tensor for tensor in random_expression(Random(seed)) if isinstance(tensor.op, ComputeOp)]
    again = t.replay(s.to_json(), fresh)
    assert str(again) == str(s)
    assert again.steps == s.steps


@given(st.integers(0, 2**32))
def test_steps_keep_the_meaning(seed: int) -> None:
    rng = Random(seed)
    args = random_expression(rng)
    inputs = {
        tensor: array
        for tensor, array in zip(args, random_arrays(rng, args), strict=True)
        if not isinstance(tensor.op, ComputeOp)
    }
    outputs = [tensor for tensor in args if isinstance(tensor.op, ComputeOp)]
    expected = evaluate(outputs, inputs)
    s = random_schedule(rng, args, ["cache_read", "cache_write", "rfactor", "split", "fuse", "reorder", "set_scope"])
    known = dict(inputs)
    for stage in s.stages:
        (known[stage.origin],) = evaluate([t.Tensor(stage.op)], known)
    for output, array in zip(outputs, expected, strict=True):
        assert np.array_equal(known[output], array)


def test_random_schedules_take_every_step() -> None:
    taken = set()
    for seed in range(300):
        s = random_schedule(Random(seed), random_expression(Random(seed)))
        taken |= {"vthread" if step[0] == "bind" else step[0] for step in s.steps}
    assert taken == set(STEPS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the steps are no JSON: "),
        ("[]", "the text holds no steps of version 1; write them with Schedule.to_json"),
        ('{"version": 1, "steps": [["fly"]]}', "step 0 is none: ['fly']"),
        ('{"version": 1, "steps": [["split"]]}', "step 0 is none: ['split']"),
        ('{"version": 1, "steps": [["split", "C"]]}', "step 0, split, is of no stage or tensor but 'C'"),
        (
            '{"version": 1, "steps": [["split", ["stage", "C"]]]}',
            "step 0, split, takes other arguments than [['stage', 'C']]",
        ),
        (
            '{"version": 1, "steps": [["compute_root", ["stage", "D"]]]}',
            "the steps name the stage D, which this schedule has not",
        ),
        (
            '{"version": 1, "steps": [["cache_write", ["tensor", "D"], "local", "DL"]]}',
            "the steps name the tensor D, which this schedule has not",
        ),
        (
            '{"version": 1, "steps": [["unroll", ["stage", "C"], ["axis", "C", "z"]]]}',
            "the steps name the axis z of C, which this schedule has not",
        ),
        (
            '{"version": 1, "steps": [["tensorize", ["stage", "C"], ["axis", "C", "k"], ["intrinsic", "dot"]]]}',
            "the steps tensorize with dot; give it in intrinsics=",
        ),
    ],
)
def test_steps_that_do_not_fit_are_refused(text: str, message: str) -> None:
    _, _, c = matmul()
    with pytest.raises(t.ScheduleError) as caught:
        t.replay(text, c)
    assert str(caught.value).split(": ", 1)[1].startswith(message)
