"""Expressions that become requantised stores mean what `STORE` computes, and no other expression becomes one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler import te as t
from dovetail.compiler.ops.quantise import Residual, requantise
from dovetail.compiler.passes.errors import MappingError
from dovetail.compiler.tir.expr import Expr, const
from dovetail.compiler.tir.stmt import GLOBAL
from tests.compiler.passes.vector_programs import (
    ACC,
    BIAS,
    LANE_COUNT,
    MULTIPLIER,
    OUT,
    RESIDUAL,
    ROWS,
    SHIFT,
    at,
    buffer,
    extreme,
    mapped,
    nest,
    operations,
    run,
)

PARAMS = (ACC, BIAS, MULTIPLIER, SHIFT, RESIDUAL, OUT)
INT32 = (-(2**31), 2**31 - 1)


def rne(value: int, shift: int) -> int:
    """value / 2**shift to the nearest, ties to even."""
    return round(Fraction(value, 1 << shift))


def saturate(value: int) -> int:
    return min(max(value, INT32[0]), INT32[1])


@dataclass(frozen=True)
class Post:
    """What the outputs of a store have in common."""

    zero_point: int
    bounds: tuple[int, int]
    fraction: int


POSTS = st.builds(
    Post, st.integers(-128, 127), st.tuples(st.integers(-128, -1), st.integers(0, 127)), st.integers(0, 23)
)
RESIDUALS = st.builds(
    Residual, st.just(at(RESIDUAL)), st.integers(-128, 127), st.integers(-32768, 32767).filter(bool), st.integers(0, 31)
)


def stored(x: int, b: int, m: int, s: int, added: int, post: Post) -> int:
    """The formula of the instruction set, in Python's integers."""
    total = rne(saturate(rne(saturate(x + b) * m, s)) + added, post.fraction) + post.zero_point
    return min(max(total, post.bounds[0]), post.bounds[1])


@given(st.sets(st.sampled_from(["bias", "multiplier", "shift"])), POSTS, st.none() | RESIDUALS, st.integers(0, 9999))
@settings(max_examples=100, deadline=None)
def test_requantise_is_the_formula_of_the_instruction_set(
    terms: set[str], post: Post, residual: Residual | None, seed: int
) -> None:
    given_terms = {of.name: at(of) for of in (BIAS, MULTIPLIER, SHIFT) if of.name in terms}
    options = {"zero_point": post.zero_point, "bounds": post.bounds, "fraction": post.fraction}
    program = nest(OUT, requantise(at(ACC), **given_terms, residual=residual, **options), PARAMS)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    acc, bias, multiplier, shift, other, out = arrays = [extreme(rng, of) for of in PARAMS]
    expected = np.empty_like(out)
    for y, x in np.ndindex(out.shape):
        added = 0
        if residual is not None:
            distance = int(other[y, x]) - residual.zero_point
            added = saturate(rne(distance * residual.multiplier, residual.shift))
        record = (
            int(bias[x]) if "bias" in terms else 0,
            int(multiplier[x]) if "multiplier" in terms else 1,
            int(shift[x]) if "shift" in terms else 0,
        )
        expected[y, x] = stored(int(acc[y, x]), *record, added, post)
    machine = mapped(program)
    assert operations(machine) == ["requantise"]
    for version in (program, machine):
        np.testing.assert_array_equal(run(version, arrays)[-1], expected)


def wide(value: Expr) -> Expr:
    return value.astype("int64")


@st.composite
def chains(draw: st.DrawFn) -> Expr:
    """Terms of a store, most of them as it has them: some are missing, of another type, or in another order."""

    def often(of: int = 5) -> bool:
        return draw(st.integers(0, of - 1)) > 0

    def rarely() -> bool:
        return not often()

    def number() -> Expr:
        return const(draw(st.sampled_from([-(2**31), -1000, -128, -1, 0, 1, 7, 128, 1000, 2**31 - 1])), "int64")

    def saturated(value: Expr) -> Expr:
        if draw(st.booleans()):
            return wide(t.saturate(value, "int32"))
        return wide(value.astype("int32")) if rarely() else value

    value = at(ACC) if rarely() else wide(at(ACC))
    for _ in range(draw(st.integers(0, 2))):
        term = draw(st.sampled_from([wide(at(BIAS)), at(BIAS), number(), at(ACC)]))
        value = term - value if rarely() and rarely() else value - term if rarely() else value + term
    value = saturated(wide(value))
    if draw(st.booleans()):
        value = value * draw(st.sampled_from([wide(at(MULTIPLIER)), const(3, "int64"), const(-5, "int64")]))
    if draw(st.booleans()):
        value = t.round_shift(value, draw(st.sampled_from([at(SHIFT), const(0), const(1), const(28), const(63)])))
    value = saturated(value)
    if draw(st.booleans()):
        added = wide(at(RESIDUAL)) - draw(st.sampled_from([0, -128, 5, 200]))
        added = added * draw(st.sampled_from([1, -1, 77, -32768, 32768]))
        added = saturated(t.round_shift(added, draw(st.sampled_from([0, 1, 5, 31]))))
        value = value - added if rarely() else value + added
    if draw(st.booleans()):
        value = t.round_shift(value, draw(st.sampled_from([1, 4, 20, 31])))
    for _ in range(draw(st.integers(0, 2))):
        value = value + draw(st.sampled_from([-1000, -128, -3, 0, 9, 127, 128]))
        if rarely():
            value = t.clip(value, -90, 200)
    return value


@given(chains(), st.booleans(), st.integers(0, 9999))
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_is_exact(total: Expr, clipped: bool, seed: int) -> None:
    value = t.clip(total, -100, 120).astype("int8") if clipped else t.saturate(total, "int8")
    program = nest(OUT, value, PARAMS)
    try:
        machine = mapped(program)
    except MappingError:
        return
    rng = np.random.default_rng(seed)
    arrays = [extreme(rng, of) for of in PARAMS]
    np.testing.assert_array_equal(run(machine, arrays)[-1], run(program, arrays)[-1], err_msg=str(program))


@pytest.mark.parametrize(
    ("total", "reason"),
    [
        (t.round_shift((wide(at(ACC)) + at(BIAS)) * 3, 28), "may need more than int32 and is not saturated"),
        (t.round_shift(t.round_shift(wide(at(ACC)) * at(MULTIPLIER), 1) + at(RESIDUAL), 20), "is not saturated before"),
        (wide(at(ACC) + at(BIAS)), "may wrap in int32"),
        (wide(at(ACC)) + at(ACC), "is not a sum with acc.* in it once"),
        (at(BIAS) - wide(at(ACC)), "subtracts the accumulator"),
        (wide(at(ACC)) + at(RESIDUAL) + at(OUT), "more than one tensor from DRAM"),
        (t.round_shift(wide(at(ACC)), 64), "64 is not between 0 and 63"),
    ],
)
def test_what_a_store_lacks_is_said(total: Expr, reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        mapped(nest(OUT, t.clip(total, -100, 120).astype("int8"), PARAMS))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            t.saturate(at(ACC).astype("float32") * 0.5, "int8"),
            r"float32\(acc.*\) is float32, but a store works on integers only; use t.round_shift, or a multiplier",
        ),
        ((at(ACC).astype("float32") * 0.5).astype("int8"), "a store works on integers only"),
        (t.saturate(at(ACC) // 1024, "int8"), "acc.* // 1024: a store divides only by rounding.*use t.round_shift, or"),
        (
            t.saturate(at(ACC) * at(ACC), "int8"),
            "multiplies the accumulator by itself.*compute the product on the host",
        ),
        (
            t.saturate(at(ACC) % 8, "int8"),
            "acc.* % 8: a store only adds, multiplies, clips and rounds.* or on the host",
        ),
        (t.clip(at(ACC), -200, 200).astype("int8"), r"may wrap.*t.saturate\(.*or clip to .* int8's -128 to 127"),
    ],
)
def test_a_refusal_names_a_way_that_was_not_tried(value: Expr, reason: str) -> None:
    with pytest.raises(MappingError, match=reason) as refusal:
        mapped(nest(OUT, value, PARAMS))
    assert "\n" not in str(refusal.value)


def test_no_store_is_of_floats() -> None:
    target = buffer("floats", "float32", GLOBAL, ROWS, LANE_COUNT)
    with pytest.raises(MappingError, match="a store works on integers only"):
        mapped(nest(target, at(ACC).astype("float32") * 0.5, (*PARAMS, target)))


@pytest.mark.parametrize(
    "total", [t.round_shift(at(ACC), 10), t.round_shift(wide(at(ACC)) * at(MULTIPLIER), at(SHIFT))]
)
def test_the_ways_that_refusals_name_are_stores(total: Expr) -> None:
    assert operations(mapped(nest(OUT, t.saturate(total, "int8"), PARAMS))) == ["requantise"]


def test_a_cast_that_may_wrap_is_no_store() -> None:
    with pytest.raises(MappingError, match="may wrap, but a store saturates"):
        mapped(nest(OUT, at(ACC).astype("int8"), PARAMS))
