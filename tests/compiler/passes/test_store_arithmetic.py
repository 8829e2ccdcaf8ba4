"""Expressions that become requantised stores mean what `STORE` computes, and no other expression becomes one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler import te as t
from dovetail.compiler.ops.quantise import Residual, requantise
from dovetail.compiler.passes.errors import MappingError
from dovetail.compiler.tir.expr import Expr, const
from tests.compiler.passes.vector_programs import (
    ACC,
    BIAS,
    MULTIPLIER,
    OUT,
    RESIDUAL,
    SHIFT,
    Array,
    at,
    extreme,
    mapped,
    nest,
    operations,
    run,
)

PARAMS = (ACC, BIAS, MULTIPLIER, SHIFT, RESIDUAL, OUT)
INT32 = (-(2**31), 2**31 - 1)
Terms = dict[str, bool]
TERMS = st.fixed_dictionaries({name: st.booleans() for name in ("bias", "multiplier", "shift", "residual")})
POST = st.fixed_dictionaries(
    {
        "zero_point": st.integers(-128, 127),
        "bounds": st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(lambda pair: (min(pair), max(pair))),
        "fraction": st.integers(0, 31),
    }
)
SCALE = st.tuples(st.integers(-128, 127), st.integers(-32768, 32767), st.integers(0, 31))


def rne(value: int, shift: int) -> int:
    """value / 2**shift to the nearest, ties to even."""
    return round(Fraction(value, 1 << shift))


def saturate(value: int) -> int:
    return min(max(value, INT32[0]), INT32[1])


def stored(x: int, b: int, m: int, s: int, r: int, post: dict[str, object], scale: tuple[int, int, int]) -> int:
    """The formula of the instruction set, in Python's integers."""
    zero, multiplier, shift = scale
    low, high = post["bounds"]  # type: ignore[misc]
    total = saturate(rne(saturate(x + b) * m, s)) + saturate(rne((r - zero) * multiplier, shift))
    return min(max(rne(total, int(post["fraction"])) + int(post["zero_point"]), low), high)  # type: ignore[call-overload]


@given(TERMS, POST, SCALE, st.integers(0, 9999))
@settings(max_examples=120, deadline=None)
def test_requantise_is_the_formula_of_the_instruction_set(
    terms: Terms, post: dict[str, object], scale: tuple[int, int, int], seed: int
) -> None:
    bias, multiplier, shift = (
        at(of) if terms[of.name] else None for of in (BIAS, MULTIPLIER, SHIFT)
    )
    residual = Residual(at(RESIDUAL), *scale) if terms["residual"] else None
    program = nest(OUT, requantise(at(ACC), bias, multiplier, shift, residual=residual, **post), PARAMS)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    acc, b, m, s, r, out = arrays = [extreme(rng, of) for of in PARAMS]
    expected = np.empty_like(out)
    for y, x in np.ndindex(out.shape):
        expected[y, x] = stored(
            int(acc[y, x]),
            int(b[x]) if terms["bias"] else 0,
            int(m[x]) if terms["multiplier"] else 1,
            int(s[x]) if terms["shift"] else 0,
            int(r[y, x]) if terms["residual"] else scale[0],
            post,
            scale,
        )
    machine = mapped(program)
    assert operations(machine) == ["requantise"]
    for version in (program, machine):
        np.testing.assert_array_equal(run(version, arrays)[-1], expected)


def wide(value: Expr) -> Expr:
    return value.astype("int64")


@st.composite
def sums(draw: st.DrawFn, depth: int) -> Expr:
    """int64 arithmetic on an accumulator and what a store can add to it, in forms that it has and in others."""
    if depth == 0:
        leaf = draw(st.sampled_from(["acc", "acc", "acc", "bias", "residual", "number"]))
        if leaf == "number":
            return const(draw(st.sampled_from([-(2**31), -1000, -1, 0, 1, 7, 128, 2**31 - 1])), "int64")
        return wide(at({"acc": ACC, "bias": BIAS, "residual": RESIDUAL}[leaf]))
    inner = draw(sums(depth - 1))
    match draw(st.integers(0, 8)):
        case 0:
            return inner + draw(sums(draw(st.integers(0, depth - 1))))
        case 1:
            return inner - draw(sums(0))
        case 2:
            return draw(sums(0)) - inner
        case 3:
            return inner * draw(st.sampled_from([const(3, "int64"), const(-1, "int64"), wide(at(MULTIPLIER))]))
        case 4:
            return t.round_shift(inner, draw(st.sampled_from([at(SHIFT), const(0), const(1), const(30), const(40)])))
        case 5 | 6:
            return wide(t.saturate(inner, "int32"))
        case 7:
            return t.clip(inner, *sorted(draw(st.tuples(st.integers(-300, 300), st.integers(-300, 300)))))
    return wide(inner.astype("int32"))


@given(sums(5), st.booleans(), st.integers(0, 9999))
@settings(max_examples=600, deadline=None)
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
