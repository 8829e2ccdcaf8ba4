"""Primitives compute what the instruction set reference says, here written again in Python's integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from dovetail.compiler.tir.stmt import Primitive
from dovetail.compiler.vdla import primitives
from dovetail.isa.instructions import AluOp, AluSource, Unit

INT32 = (-(2**31), 2**31 - 1)
EXTREMES = [*INT32, INT32[0] + 1, INT32[1] - 1, -1, 0, 1, -(2**15), 2**15 - 1, 2**30]
int32s = st.one_of(st.sampled_from(EXTREMES), st.integers(*INT32))
int8s = st.integers(-128, 127)
int16s = st.integers(-(2**15), 2**15 - 1)


def wrapped(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def saturated(value: int) -> int:
    return min(max(value, INT32[0]), INT32[1])


def rne(value: int, shift: int) -> int:
    return round(Fraction(value, 2**shift))


ALU: dict[AluOp, Callable[[int, int], int]] = {
    AluOp.MOV: lambda a, b: b,
    AluOp.ADD: lambda a, b: a + b,
    AluOp.SUB: lambda a, b: a - b,
    AluOp.MIN: min,
    AluOp.MAX: max,
    AluOp.SHR: lambda a, b: a // 2 ** (b % 32),
    AluOp.SHL: lambda a, b: a * 2 ** (b % 32),
}


def executed(primitive: Primitive, output: np.ndarray[Any, Any], *inputs: np.ndarray[Any, Any]) -> list[Any]:
    primitive.semantics((output,), inputs)
    result: list[Any] = output.tolist()
    return result


@pytest.mark.parametrize("op", list(AluOp))
@pytest.mark.parametrize("source", list(AluSource))
@given(data=st.data())
@settings(max_examples=30)
def test_the_alu_works_on_each_element_and_wraps(op: AluOp, source: AluSource, data: st.DataObject) -> None:
    accs = data.draw(st.lists(int32s, min_size=4, max_size=4))
    kind = {AluSource.IMM: int16s, AluSource.INP: int8s, AluSource.ACC: int32s}[source]
    operands = data.draw(st.lists(kind, min_size=4, max_size=4))
    if source is AluSource.IMM:
        operands = operands[:1] * 4
    primitive = primitives.alu(op, source, operands[0] if source is AluSource.IMM else 0)
    dtype = np.int8 if source is AluSource.INP else np.int32
    inputs = [] if source is AluSource.IMM else [np.array(operands, dtype).reshape(2, 2)]
    result = executed(primitive, np.array(accs, np.int32).reshape(2, 2), *inputs)
    assert [value for row in result for value in row] == [
        wrapped(ALU[op](a, b)) for a, b in zip(accs, operands, strict=True)
    ]


def test_the_alu_may_take_its_own_target_as_operand() -> None:
    acc = np.array([[INT32[0], -3], [5, INT32[1]]], np.int32)
    assert executed(primitives.alu(AluOp.ADD, AluSource.ACC), acc, acc) == [[0, -6], [10, -2]]


@given(st.data())
@settings(max_examples=50)
def test_gemm_adds_products_and_wraps(data: st.DataObject) -> None:
    batch, inputs, outputs = (data.draw(st.integers(1, 5)) for _ in range(3))

    def matrix(elements: st.SearchStrategy[int], rows: int, cols: int) -> list[list[int]]:
        row = st.lists(elements, min_size=cols, max_size=cols)
        drawn: list[list[int]] = data.draw(st.lists(row, min_size=rows, max_size=rows))
        return drawn

    ends = st.sampled_from([-128, 127, -1, 0, 3])
    acc, inp, wgt = matrix(int32s, batch, outputs), matrix(ends, batch, inputs), matrix(ends, outputs, inputs)
    result = executed(primitives.gemm("gemm"), np.array(acc, np.int32), np.array(inp, np.int8), np.array(wgt, np.int8))
    assert result == [
        [wrapped(acc[b][o] + sum(inp[b][k] * wgt[o][k] for k in range(inputs))) for o in range(outputs)]
        for b in range(batch)
    ]


def test_fill_writes_every_element() -> None:
    assert executed(primitives.fill(), np.full((2, 3), 9, np.int32)) == [[0] * 3] * 2
    assert executed(primitives.fill(-7), np.full((2, 3), 9, np.int32)) == [[-7] * 3] * 2
    assert (primitives.fill().name, primitives.fill(-7).name) == ("fill_zero", "fill")


POST = {
    "zero_point": int8s,
    "fraction": st.integers(0, 31),
    "res_zero": int8s,
    "res_multiplier": int16s,
    "res_shift": st.integers(0, 31),
}
CHANNELS = 3


def output(x: int, record: Sequence[int], post: dict[str, int], residual: int | None) -> int:
    bias, multiplier, shift = record
    v = saturated(x + bias)
    q = saturated(rne(v * multiplier, shift))
    r = 0
    if residual is not None:
        r = saturated(rne((residual - post["res_zero"]) * post["res_multiplier"], post["res_shift"]))
    return min(max(rne(q + r, post["fraction"]) + post["zero_point"], post["minimum"]), post["maximum"])


@given(
    accs=st.lists(int32s, min_size=2 * CHANNELS, max_size=2 * CHANNELS),
    records=st.lists(st.tuples(int32s, int32s, st.integers(0, 63)), min_size=CHANNELS, max_size=CHANNELS),
    residuals=st.none() | st.lists(int8s, min_size=2 * CHANNELS, max_size=2 * CHANNELS),
    post=st.fixed_dictionaries(POST),
    bounds=st.tuples(int8s, int8s).map(sorted),
    shared=st.sets(st.sampled_from(["bias", "multiplier", "shift"])),
)
@settings(max_examples=200)
def test_requantise_is_the_store_s_formula(
    accs: list[int],
    records: list[tuple[int, int, int]],
    residuals: list[int] | None,
    post: dict[str, int],
    bounds: list[int],
    shared: set[str],
) -> None:
    names = ("bias", "multiplier", "shift")
    records = [
        tuple(records[0 if name in shared else c][k] for k, name in enumerate(names))  # type: ignore[misc]
        for c in range(CHANNELS)
    ]
    post |= {"minimum": bounds[0], "maximum": bounds[1]}
    inputs: dict[str, np.ndarray[Any, Any]] = {"acc": np.array(accs, np.int32).reshape(2, CHANNELS)}
    inputs |= {name: np.array([r[k] for r in records], np.int32) for k, name in enumerate(names) if name not in shared}
    if residuals is not None:
        inputs["residual"] = np.array(residuals, np.int8).reshape(2, CHANNELS)
    constants = {name: records[0][k] for k, name in enumerate(names) if name in shared}
    primitive = primitives.requantise(tuple(inputs), **post, **constants)
    result = executed(primitive, np.zeros((2, CHANNELS), np.int8), *inputs.values())
    assert [value for row in result for value in row] == [
        output(x, records[place % CHANNELS], post, None if residuals is None else residuals[place])
        for place, x in enumerate(accs)
    ]


@pytest.mark.parametrize(
    ("value", "shift", "wanted"),
    [(5, 1, 2), (7, 1, 4), (-5, 1, -2), (-7, 1, -4), (1, 63, 0), (-1, 63, 0), (3, 0, 3), (-6, 2, -2), (-2, 2, 0)],
)
def test_ties_go_to_the_even_neighbour(value: int, shift: int, wanted: int) -> None:
    primitive = primitives.requantise(("acc",), shift=shift)
    assert executed(primitive, np.zeros((1, 1), np.int8), np.array([[value]], np.int32)) == [[wanted]]


def test_the_largest_product_rounds_exactly() -> None:
    for multiplier, shift, wanted in [(INT32[0], 62, 1), (INT32[0], 63, 0), (INT32[1], 62, -1), (INT32[1], 63, 0)]:
        primitive = primitives.requantise(("acc",), multiplier=multiplier, shift=shift)
        assert executed(primitive, np.zeros((1, 1), np.int8), np.array([[INT32[0]]], np.int32)) == [[wanted]]


def test_each_primitive_names_its_unit_and_the_memories_of_its_operands() -> None:
    named = {
        primitives.gemm("gemm"): (Unit.COMPUTE, ["acc", "inp", "wgt"]),
        primitives.fill(): (Unit.COMPUTE, ["acc"]),
        primitives.alu(AluOp.MAX, AluSource.IMM, 3): (Unit.COMPUTE, ["acc"]),
        primitives.alu(AluOp.ADD, AluSource.INP): (Unit.COMPUTE, ["acc", "inp"]),
        primitives.requantise(("acc", "bias", "residual")): (Unit.STORE, ["out", "acc", "param", "residual"]),
    }
    assert {primitive: (primitive.unit, list(primitives.operand_roles(primitive))) for primitive in named} == named
    assert primitives.alu(AluOp.MAX, AluSource.IMM, 3) is primitives.alu(AluOp.MAX, AluSource.IMM, 3)
