"""Integer arithmetic in the accumulators becomes operations of the ALU that compute the same, or is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler import te as t
from dovetail.compiler.passes.errors import MappingError
from dovetail.compiler.tir.expr import Expr, Load, const
from dovetail.compiler.vdla import ACC_BUFFER
from tests.compiler.passes.vector_programs import (
    ACC,
    INP,
    LANE,
    LANE_COUNT,
    OTHER,
    ROW,
    ROWS,
    at,
    buffer,
    extreme,
    mapped,
    nest,
    operations,
    run,
)

PARAMS = (OTHER, INP, ACC)
NUMBERS = (-40000, -32768, -129, -1, 0, 1, 2, 5, 128, 32767, 40000)


def wide(value: Expr) -> Expr:
    return value.astype("int32")


@pytest.mark.parametrize(
    ("value", "names", "meant"),
    [
        (at(ACC) + wide(at(INP)), ["alu_add"], lambda o, i, a: a + i),
        (at(OTHER) - wide(at(INP)), ["alu_mov", "alu_sub"], lambda o, i, a: o - i),
        (t.max(at(OTHER), 0), ["alu_mov", "alu_max<0>"], lambda o, i, a: np.maximum(o, 0)),
        (
            t.clip((at(ACC) + at(OTHER)) >> 3, -5, 9),
            ["alu_add", "alu_shr<3>", "alu_max<-5>", "alu_min<9>"],
            lambda o, i, a: np.clip((a + o) >> 3, -5, 9),
        ),
        (wide(at(INP)) * 8, ["alu_mov", "alu_shl<3>"], lambda o, i, a: i.astype(np.int32) << 3),
        (const(-7, "int32"), ["fill"], lambda o, i, a: np.full_like(a, -7)),
    ],
    ids=lambda part: str(part) if isinstance(part, Expr) else "",
)
def test_each_operator_is_an_operation_in_place(value: Expr, names: list[str], meant: object) -> None:
    program = nest(ACC, value, PARAMS)
    machine = mapped(program)
    assert operations(machine) == names
    rng = np.random.default_rng(0)
    other, inp, acc = arrays = [extreme(rng, of) for of in PARAMS]
    assert callable(meant)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run(machine, arrays)[-1], meant(other, inp, acc))


@st.composite
def values(draw: st.DrawFn, depth: int) -> Expr:
    """Arithmetic of int32 and int64 on vectors and numbers, of which the ALU can do some."""
    if depth == 0:
        source = draw(st.sampled_from([ACC, ACC, OTHER, INP, None]))
        value = const(draw(st.sampled_from(NUMBERS)), "int32") if source is None else wide(at(source))
        return value.astype("int64") if draw(st.integers(0, 3)) == 0 else value
    a, b = draw(values(depth - 1)), draw(values(draw(st.integers(0, depth - 1))))
    a, b = (a, b) if draw(st.booleans()) else (b, a)
    places = draw(st.integers(0, 33))
    match draw(st.integers(0, 8)):
        case 0 | 1:
            return a + b
        case 2:
            return a - b
        case 3:
            return t.min(a, b)
        case 4:
            return t.max(a, b)
        case 5:
            return a >> places
        case 6:
            return a << places
        case 7:
            return a * draw(st.sampled_from([2, 3, 16]))
    return wide(a)


@given(values(3), st.integers(0, 9999))
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_is_exact(value: Expr, seed: int) -> None:
    program = nest(ACC, wide(value), PARAMS)
    try:
        machine = mapped(program)
    except MappingError:
        return
    rng = np.random.default_rng(seed)
    arrays = [extreme(rng, of) for of in PARAMS]
    np.testing.assert_array_equal(run(machine, arrays)[-1], run(program, arrays)[-1], err_msg=str(program))


def test_rows_are_combined_in_the_order_of_the_program() -> None:
    tall = buffer("tall", "int32", ACC_BUFFER, ROWS + 1, LANE_COUNT)
    program = nest(tall, t.max(Load(tall, (ROW, LANE)), Load(tall, (ROW + 1, LANE))), (tall,))
    rng = np.random.default_rng(0)
    arrays = [extreme(rng, tall)]
    np.testing.assert_array_equal(run(mapped(program), arrays)[-1], run(program, arrays)[-1])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (at(ACC) * at(OTHER), "the ALU has no"),
        (at(ACC) + 100000, "not between -32768 and 32767"),
        (at(OTHER) * 3, "powers of two"),
    ],
)
def test_what_the_alu_lacks_is_said(value: Expr, reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        mapped(nest(ACC, value, PARAMS))
