"""Axes that are computed from end to end, so that tiles are full."""

from __future__ import annotations

from dovetail.compiler import te as t
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.serialise import replay

from .running import lowered, text


def expression() -> tuple[t.Tensor, t.Tensor, t.Tensor]:
    """C is the first 6 elements of B, which has 8."""
    A = t.placeholder((8,), "int32", name="A")  # noqa: N806
    B = t.compute((8,), lambda i: A[i] * 2, name="B")  # noqa: N806
    C = t.compute((6,), lambda j: B[j] + 1, name="C")  # noqa: N806
    return A, B, C


def tiled(B: t.Tensor, C: t.Tensor) -> Schedule:  # noqa: N803
    s = t.create_schedule(C)
    _, inner = s[B].split(s[B].op.axis[0], factor=4)
    s[B].unroll(inner)
    return s


def test_without_it_only_what_is_read_is_computed() -> None:
    A, B, C = expression()  # noqa: N806
    assert any("if" in line for line in text(lowered(tiled(B, C), [A, C])))


def test_whole_tiles_need_no_condition() -> None:
    A, B, C = expression()  # noqa: N806
    s = tiled(B, C)
    s[B].compute_whole(s[B].op.axis[0])
    program = lowered(s, [A, C])
    assert not any("if" in line for line in text(program))
    again = expression()
    assert text(lowered(replay(s.to_json(), again[2]), [again[0], again[2]])) == text(program)


def test_cache_write_takes_it_over() -> None:
    _, B, C = expression()  # noqa: N806
    s = tiled(B, C)
    s[B].compute_whole(s[B].op.axis[0])
    cached = s.cache_write(B, "local")
    assert s[cached].stage.whole == list(s[cached].op.axis)
    assert not s[B].stage.whole
