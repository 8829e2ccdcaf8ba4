"""The expression of requantisation is the accelerator's formula, whichever terms are left out."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from dovetail.compiler.ops.quantise import Residual, requantise
from dovetail.compiler.tir.evaluation import evaluator
from dovetail.compiler.tir.expr import Cast, Expr, ExprLike, Math, Var
from dovetail.compiler.tir.structure import walk

INT32 = (-(2**31), 2**31 - 1)
int32s = st.one_of(st.sampled_from([*INT32, INT32[0] + 1, -1, 0, 1]), st.integers(*INT32))
int8s = st.integers(-128, 127)

ACC, BIAS, MULTIPLIER, SHIFT = (Var(name, "int32") for name in ("acc", "bias", "multiplier", "shift"))
ADDED = Var("added", "int8")


def rne(value: int, shift: int) -> int:
    return round(Fraction(value, 2**shift))


def saturated(value: int) -> int:
    return min(max(value, INT32[0]), INT32[1])


@given(
    acc=int32s,
    bias=st.none() | int32s,
    multiplier=st.none() | int32s,
    shift=st.none() | st.integers(0, 63),
    zero_point=int8s,
    bounds=st.tuples(int8s, int8s).map(lambda pair: (min(pair), max(pair))),
    residual=st.none() | st.tuples(int8s, int8s, st.integers(-(2**15), 2**15 - 1), st.integers(0, 31)),
    fraction=st.integers(0, 31),
    numbers=st.booleans(),
)
@settings(max_examples=300)
def test_requantise_is_the_formula(
    acc: int,
    bias: int | None,
    multiplier: int | None,
    shift: int | None,
    zero_point: int,
    bounds: tuple[int, int],
    residual: tuple[int, int, int, int] | None,
    fraction: int,
    numbers: bool,
) -> None:
    def term(value: int | None, var: Var) -> ExprLike | None:
        return var if value is not None and not numbers else value

    added = None if residual is None else Residual(ADDED, *residual[1:])
    expr = requantise(
        ACC,
        term(bias, BIAS),
        term(multiplier, MULTIPLIER),
        term(shift, SHIFT),
        zero_point=zero_point,
        bounds=bounds,
        residual=added,
        fraction=fraction,
    )
    value, zero, factor, down = residual or (0, 0, 0, 0)
    v = saturated(acc + (bias or 0))
    q = saturated(rne(v * (1 if multiplier is None else multiplier), shift or 0))
    r = saturated(rne((value - zero) * factor, down))
    wanted = min(max(rne(q + r, fraction) + zero_point, bounds[0]), bounds[1])
    env = {ACC: acc, BIAS: bias, MULTIPLIER: multiplier, SHIFT: shift, ADDED: value}
    assert expr.dtype == "int8"
    assert evaluator(expr)(env) == wanted


@pytest.mark.parametrize(
    ("expr", "rounded"),
    [
        (requantise(ACC), 0),
        (requantise(ACC, BIAS), 0),
        (requantise(ACC, BIAS, MULTIPLIER, SHIFT), 1),
        (requantise(ACC, shift=4, residual=Residual(ADDED), fraction=2), 3),
    ],
)
def test_terms_that_are_left_out_are_not_in_the_expression(expr: Expr, rounded: int) -> None:
    assert sum(isinstance(node, Math) for node in walk(expr)) == rounded
    assert isinstance(expr, Cast) and expr.type == "int8"
