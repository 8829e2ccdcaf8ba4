"""Arithmetic on accumulators becomes operations of the ALU, finishing outputs becomes one requantised store."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler import te as t
from dovetail.compiler.lower import lower
from dovetail.compiler.ops.conv2d import conv2d
from dovetail.compiler.ops.pool2d import max_pool2d
from dovetail.compiler.ops.scales import Output
from dovetail.compiler.ops.shapes import Conv2dShape, Pool2dShape
from dovetail.compiler.passes.errors import MappingError
from dovetail.compiler.passes.inject_copies import inject_copies
from dovetail.compiler.passes.map_vectors import map_vectors
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir import interpreter, verifier
from dovetail.compiler.tir.expr import Cast, Const, Expr, Load, Var, maximum, minimum
from dovetail.compiler.tir.stmt import GLOBAL, Buffer, For, Invoke, Program, Seq, Store, seq
from dovetail.compiler.tir.structure import renewed, walk
from dovetail.compiler.vdla import LANES
from dovetail.isa.config import load_config
from tests.compiler.passes.vector_programs import (
    ACC,
    BIAS,
    INP,
    LANE,
    LANE_COUNT,
    OTHER,
    OUT,
    RESIDUAL,
    ROW,
    ROWS,
    Array,
    at,
    buffer,
    extreme,
    mapped,
    nest,
    operations,
    run,
)

Golden = Callable[[object, str], None]
PARAMS = (ACC, OTHER, INP, RESIDUAL, BIAS, OUT)
Expected = Callable[[Array, Array, Array], Array]
acc, other, inp = at(ACC), at(OTHER), at(INP).astype("int32")


def program(target: Buffer, value: Expr) -> Program:
    return nest(target, value, PARAMS)


def arrays() -> list[Array]:
    rng = np.random.default_rng(0)
    return [extreme(rng, of) for of in PARAMS]


def result(of: Program, target: Buffer) -> Array:
    return run(of, arrays())[PARAMS.index(target)]


@pytest.mark.parametrize(
    ("value", "expected", "names"),
    [
        (Const(-7), lambda a, b, i: np.full_like(a, -7), ["fill"]),
        (other, lambda a, b, i: b, ["alu_mov"]),
        (inp, lambda a, b, i: i, ["alu_mov"]),
        (other + acc, lambda a, b, i: a + b, ["alu_add"]),
        (maximum(acc, inp), lambda a, b, i: np.maximum(a, i), ["alu_max"]),
        ((other + 5) * 8, lambda a, b, i: (b + 5) * 8, ["alu_mov", "alu_add<5>", "alu_shl<3>"]),
        (acc // 4, lambda a, b, i: a // 4, ["alu_shr<2>"]),
        (acc >> inp, lambda a, b, i: a >> (i & 31), ["alu_shr"]),
        (minimum(maximum(acc, -9), 100), lambda a, b, i: np.clip(a, -9, 100), ["alu_max<-9>", "alu_min<100>"]),
        (acc + (inp - other) + 3, lambda a, b, i: a + i - b + 3, ["alu_add", "alu_sub", "alu_add<3>"]),
        (3 - other, lambda a, b, i: 3 - b, ["fill", "alu_sub"]),
        (inp - (other - acc), lambda a, b, i: i - b + a, ["alu_add", "alu_sub"]),
        (Cast("int32", Cast("int64", acc) + Cast("int64", at(INP))), lambda a, b, i: a + i, ["alu_add"]),
        (
            Cast("int32", at(INP) >> 1) + other,
            lambda a, b, i: (i >> 1) + b,
            ["alu_mov", "alu_shr<1>", "alu_add"],
        ),
    ],
)
def test_arithmetic(value: Expr, expected: Expected, names: list[str]) -> None:
    before = program(ACC, value)
    a, b, i, *_ = (array.astype(np.int64) for array in arrays())
    for machine in (map_vectors(before), mapped(before)):
        assert sorted(operations(machine)) == sorted(names)
        np.testing.assert_array_equal(result(machine, ACC), expected(a, b, i).astype(np.int32))


def test_steps_become_nests_of_their_own() -> None:
    """So that each is one instruction."""
    assert str(mapped(program(ACC, (other + 5) * 8))) == (
        "for row in range(2):\n    vdla.alu_mov(acc[row], other[row])\n"
        "for row in range(2):\n    vdla.alu_add<5>(acc[row])\n"
        "for row in range(2):\n    vdla.alu_shl<3>(acc[row])"
    )


def test_loops_that_come_back_to_an_accumulator_stay_around_all_steps() -> None:
    again = Var("again")
    store = Store(ACC, (ROW, LANE), (acc + Load(OTHER, (again, LANE))) * 2)
    rows = For(ROW, Const(ROWS), For(LANE, Const(LANE_COUNT), store, pragmas=((LANES, True),)))
    machine = mapped(Program("main", PARAMS, For(again, Const(ROWS), rows)))
    assert isinstance(machine.body, For) and isinstance(machine.body.body, Seq)
    expected, others, *_ = (array.astype(np.int64) for array in arrays())
    for values in others:
        expected = (expected + values) * 2
    np.testing.assert_array_equal(result(machine, ACC), expected.astype(np.int32))


def test_lanes_follow_from_other_operations_where_none_are_marked() -> None:
    """The loop over lanes may then be anywhere."""
    swapped = For(LANE, Const(LANE_COUNT), For(ROW, Const(ROWS), Store(ACC, (ROW, LANE), acc + 1)))
    with pytest.raises(MappingError, match=r"not known which loops go over one vector.*pragma\(axis, 'lanes'\)"):
        mapped(Program("main", PARAMS, swapped))
    first = renewed(mapped(program(ACC, Const(0))).body)
    both = mapped(Program("main", PARAMS, seq(first, swapped)))
    assert operations(both) == ["fill_zero", "alu_add<1>"]
    assert (result(both, ACC) == 1).all()


wide = Cast("int64", acc)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (t.clip(acc, 5, 90), {"minimum": 5, "maximum": 90}),
        (maximum(minimum(acc, 90), 5), {"minimum": 5, "maximum": 90}),
        (maximum(t.clip(acc, -128, 127), 0), {"minimum": 0, "maximum": 127}),
        (t.clip(wide + 3, -128, 127), {"zero_point": 3}),
        (t.clip(t.clip(wide, -10, 10) - 3, -12, 127), {"zero_point": -3, "minimum": -12, "maximum": 7}),
        (t.clip(wide + 300, -128, 127), {"bias": 300, "zero_point": 0}),
        (t.clip(t.round_shift(wide, 5), -128, 127), {"shift": 5, "multiplier": 1}),
        (t.clip(t.round_shift(wide << 3, 5), -128, 127), {"shift": 5, "multiplier": 8}),
        (t.clip(t.round_shift(-7 * wide, 5), -128, 127), {"shift": 5, "multiplier": -7}),
        (t.clip(wide - at(RESIDUAL).astype("int64"), -128, 127), {"res_multiplier": -1, "fraction": 0}),
    ],
)
def test_other_ways_to_write_it(value: Expr, fields: dict[str, int]) -> None:
    before = program(OUT, value.astype("int8"))
    for machine in (map_vectors(before), mapped(before)):
        assert isinstance(machine.body, Invoke)
        assert fields.items() <= dict(machine.body.primitive.fields).items()
        np.testing.assert_array_equal(result(machine, OUT), result(before, OUT))


TARGETS = {"int8": OUT, "int32": ACC}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (acc * 3, "compute acc: acc.* the ALU multiplies and divides by powers of two only"),
        (acc * other, "the ALU has no acc"),
        (acc + 100000, "the constant 100000 in .* is not between -32768 and 32767"),
        ((acc + 1) * 2 + (other + 1) * 2, "needs two intermediate results at once"),
        ((other << 1) + acc, "still reads acc.* after it was replaced; compute it in a stage of its own"),
        (other - Load(ACC, (Const(0), LANE)), r"still reads acc\[0\]\[lane\] after it was replaced"),
        (at(BIAS), r"bias\[lane\] is int32 in global; the ALU reads int32 in acc_buffer"),
        (acc + Load(ACC, (ROW, (LANE + 1) % 16)), "a vector goes along an axis in steps of 1"),
        (Load(OTHER, (ROW, Const(0))), r"other\[row\]\[0\] is the same for all lane"),
        (Cast("int8", acc), "may wrap, but a store saturates"),
        (t.clip(acc + 1, 0, 9).astype("int8"), "may wrap in int32; cast the operands to a wider type first"),
        (t.clip(acc >> 3, 0, 9).astype("int8"), "acc.* >> 3: a store divides only by rounding.*t.round_shift"),
        (t.clip(acc.astype("int64") + other, 0, 9).astype("int8"), "a store takes one accumulator"),
        (
            t.clip(wide + 1000 + at(BIAS), 0, 9).astype("int8"),
            "adds a tensor and 1000; add the constant to the tensor beforehand",
        ),
        (
            t.clip(t.round_shift((wide + at(BIAS)) * 3, 4), 0, 9).astype("int8"),
            r"is not saturated; write t.saturate\(..., 'int32'\)",
        ),
    ],
)
def test_refusals(value: Expr, message: str) -> None:
    with pytest.raises(MappingError, match=message) as refusal:
        map_vectors(program(TARGETS[value.dtype], value))
    assert "\n" not in str(refusal.value)


def test_outputs_whose_axes_are_in_another_order_are_stored_row_by_row() -> None:
    turned = buffer("turned", "int8", GLOBAL, LANE_COUNT, ROWS)
    store = Store(turned, (LANE, ROW), t.clip(acc, 0, 9).astype("int8"))
    lanes = For(LANE, Const(LANE_COUNT), store, pragmas=((LANES, True),))
    machine = mapped(Program("main", (ACC, turned), For(ROW, Const(ROWS), lanes)))
    assert str(machine) == "for row in range(2):\n    vdla.requantise(turned[0:16][row], acc[row])"


POOL = Pool2dShape(c=8, h=7, w=7, kh=3, kw=3, strides=(2, 2), pads=(1, 1, 1, 1))


@pytest.mark.parametrize("config", ["tiny", "batch8"])
def test_max_pooling(config: str, golden: Golden, rng: np.random.Generator) -> None:
    """Padding is the lowest value, windows are taken by the ALU, and stores clip."""
    operator = max_pool2d(POOL, load_config(config))
    machine = map_vectors(inject_copies(simplify(lower(operator.schedule, operator.args))))
    golden(machine, f"max_pool_{config}")
    data = rng.integers(-128, 128, (1, 8, 7, 7), np.int8)
    padded = np.pad(data, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-128)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    verifier.check(machine)
    output = operator.run(lambda *given: interpreter.run(machine, *given), data)
    np.testing.assert_array_equal(output, windows.max(axis=(4, 5)))


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ("tiny", Conv2dShape(h=6, w=6, ic=8, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))),
        ("tiny", Conv2dShape(h=7, w=7, ic=8, oc=8, kh=1, kw=1, strides=(2, 2))),
        ("tiny", Conv2dShape(h=6, w=6, ic=3, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))),
        ("tiny", Conv2dShape(h=6, w=6, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1), groups=2)),
        ("default", Conv2dShape(h=8, w=8, ic=64, oc=64, kh=3, kw=3, pads=(1, 1, 1, 1))),
        ("batch8", Conv2dShape(n=2, h=6, w=6, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1))),
        ("batch8", Conv2dShape(n=8, h=7, w=7, ic=8, oc=8, kh=3, kw=3, strides=(2, 2), pads=(1, 1, 1, 1))),
    ],
)
def test_convolutions(config: str, shape: Conv2dShape, rng: np.random.Generator) -> None:
    """Direct, strided, of few channels, grouped, of columns: nothing but copies and primitives is left."""
    operator = conv2d(shape, load_config(config), output=Output(zero_point=-3, bounds=(-120, 100)))
    machine = map_vectors(inject_copies(simplify(lower(operator.schedule, operator.args))))
    verifier.check(machine)
    assert not [part for part in walk(machine) if isinstance(part, Store)]
    data = rng.integers(-128, 128, (shape.n, shape.ic, shape.h, shape.w), np.int8)
    weight = rng.integers(-128, 128, (shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.int8)
    bias = rng.integers(-5000, 5000, shape.oc, np.int32)
    multiplier = rng.integers(1 << 14, 1 << 15, shape.oc, np.int32)
    shift = rng.integers(22, 25, shape.oc, np.int32)
    sums = reference.conv2d(data, weight, shape.strides, shape.pads, groups=shape.groups)
    expected = reference.requantise(sums, bias, multiplier, shift, zero_point=-3, minimum=-120, maximum=100)
    output = operator.run(lambda *given: interpreter.run(machine, *given), data, weight, bias, multiplier, shift)
    np.testing.assert_array_equal(output, expected)
