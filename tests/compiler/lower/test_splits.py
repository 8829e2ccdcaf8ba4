"""Imperfect splits: every iteration runs once, and is guarded only where loops cannot be exact."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dovetail as t
from dovetail.compiler.te.tensor import Tensor
from tests.compiler.lower.running import lowered


def histogram(extent: int) -> tuple[Tensor, Tensor]:
    """Sums that are wrong if an iteration of either loop is left out or runs twice."""
    a = t.placeholder((extent, extent), "int32", name="A")
    k = t.reduce_axis((0, extent), name="k")
    return a, t.compute((extent,), lambda i: t.sum(a[i, k] + i, axis=k), name="B")


@given(
    extent=st.integers(1, 20),
    factors=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7), st.booleans()), min_size=1, max_size=3),
    order=st.randoms(use_true_random=False),
    kind=st.sampled_from(["serial", "vectorize", "unroll", "parallel"]),
    fuse=st.booleans(),
)
@settings(deadline=None)
def test_every_iteration_runs_once(
    extent: int, factors: list[tuple[int, int, bool]], order: object, kind: str, fuse: bool
) -> None:
    a, b = histogram(extent)
    s = t.create_schedule(b)
    data, reduce = s[b].op.axis[0], s[b].op.reduce_axis[0]
    for factor, first, outer in factors:
        for axis in (data, reduce):
            parts = s[b].split(axis, factor, first=min(first, factor))
            if axis is data:
                data = parts[not outer]
            else:
                reduce = parts[not outer]
    leaves = list(s[b].leaves)
    order.shuffle(leaves)  # type: ignore[attr-defined]
    s[b].reorder(*leaves)
    if fuse:
        for one, other in zip(s[b].leaves, s[b].leaves[1:], strict=False):
            if one.kind is other.kind:
                s[b].fuse(one, other)
                break
    leaf = next(leaf for leaf in reversed(s[b].leaves) if leaf.kind is s[b].op.axis[0].kind)
    if kind != "serial":
        getattr(s[b], kind)(leaf)
    lowered(s, [a, b])


def elementwise(extent: int) -> tuple[Tensor, Tensor]:
    a = t.placeholder((extent,), "int32", name="A")
    return a, t.compute((extent,), lambda i: a[i] + 1, name="B")


def test_a_plain_inner_loop_has_the_extent_that_is_left() -> None:
    a, b = elementwise(13)
    s = t.create_schedule(b)
    s[b].split(s[b].op.axis[0], 4)
    assert (
        str(lowered(s, [a, b]))
        == """\
for io in range(4):
    for ii in range(min(4, 13 - io * 4)):
        B[io*4+ii] = A[io*4+ii] + 1"""
    )


def test_a_first_tile_may_be_smaller() -> None:
    a, b = elementwise(14)
    s = t.create_schedule(b)
    s[b].split(s[b].op.axis[0], 4, first=2)
    assert (
        str(lowered(s, [a, b]))
        == """\
for io in range(4):
    for ii in range(io * 4 - max(io * 4 - 2, 0) + 2):
        B[max(io*4-2,0)+ii] = A[max(io*4-2,0)+ii] + 1"""
    )


@pytest.mark.parametrize("kind", ["vectorize", "unroll"])
def test_a_loop_whose_extent_must_be_a_number_is_guarded(kind: str) -> None:
    a, b = elementwise(13)
    s = t.create_schedule(b)
    _, inner = s[b].split(s[b].op.axis[0], 4)
    getattr(s[b], kind)(inner)
    assert "if io * 4 + ii < 13:" in str(lowered(s, [a, b]))


def test_a_guard_stands_as_far_out_as_its_variables_allow() -> None:
    a = t.placeholder((13, 3), "int32", name="A")
    b = t.compute((13, 3), lambda i, j: a[i, j] + 1, name="B")
    s = t.create_schedule(b)
    outer, inner = s[b].split(s[b].op.axis[0], 4)
    s[b].reorder(inner, outer)
    assert (
        str(lowered(s, [a, b]))
        == """\
for ii in range(4):
    for io in range(4):
        if io * 4 + ii < 13:
            for j in range(3):
                B[io*4+ii][j] = A[io*4+ii][j] + 1"""
    )


@pytest.mark.parametrize(("extent", "factor"), [(12, 4), (4, 9), (1, 3)])
def test_what_can_be_proved_is_not_guarded(extent: int, factor: int) -> None:
    a, b = elementwise(extent)
    s = t.create_schedule(b)
    outer, inner = s[b].split(s[b].op.axis[0], factor)
    s[b].reorder(inner, outer)
    assert "if" not in str(lowered(s, [a, b]))
