"""Compiled expressions give what the interpreter gives, for every operator and type, in scalars and in vectors."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.tir import interpreter
from dovetail.compiler.tir.dtypes import FLOATS as FLOAT_TYPES
from dovetail.compiler.tir.dtypes import SCALARS, is_float, is_integer, limits, numpy_dtype, vector_of
from dovetail.compiler.tir.expr import (
    FUNCTIONS,
    Binary,
    Broadcast,
    Const,
    Expr,
    Load,
    Math,
    Not,
    Op,
    Ramp,
    Select,
    Var,
    binary,
    cast,
    const,
    maximum,
    minimum,
)
from dovetail.compiler.tir.stmt import Buffer, For, Program, Store, seq

N = 16
INTEGERS = tuple(filter(is_integer, SCALARS))
DTYPES = SCALARS
WRAPPING = (Op.ADD, Op.SUB, Op.MUL, Op.MIN, Op.MAX, Op.AND, Op.OR, Op.XOR, Op.SHL, Op.SHR)
INPUTS = {dtype: Buffer(f"x_{dtype}", (const(N),), dtype) for dtype in DTYPES}
PLACE = Var("i")


@st.composite
def expressions(draw, dtype: str, depth: int, lanes: int) -> Expr:
    """Expressions whose floats are small integers, so that every rounding of products and sums is exact."""

    def another(of: str) -> Expr:
        return draw(expressions(of, depth - 1, lanes))

    def vector(of: str) -> str:
        return vector_of(of, lanes)

    if depth == 0:
        choices = ["load", "const"] + ["index"] * (dtype == "int32") + ["broadcast"] * (lanes > 1)
        match draw(st.sampled_from(choices)):
            case "load":
                return Load(INPUTS[dtype], (Ramp(Const(0), 1, lanes) if lanes > 1 else PLACE,))
            case "broadcast":
                return Broadcast(Load(INPUTS[dtype], (Const(draw(st.integers(0, N - 1))),)), lanes)
            case "index":
                # Sums of variables and constants alone are taken not to overflow; with xor, they are data.
                return binary(Op.XOR, Ramp(Const(3), -2, lanes) if lanes > 1 else PLACE, 0)
        if dtype == "bool":
            return Const(draw(st.booleans()), vector(dtype))
        low, high = limits(dtype) if is_integer(dtype) else (-8, 8)
        return cast(vector(dtype), const(draw(st.integers(low, high)), dtype))
    condition = expressions("bool", depth - 1, lanes)
    if draw(st.integers(0, 4)) == 0:
        return Select(draw(condition), another(dtype), another(dtype))
    if dtype == "bool":
        of = draw(st.sampled_from(DTYPES))
        if of == "bool":
            return draw(st.sampled_from([Not(another("bool")), another("bool") & another("bool")]))
        op = draw(st.sampled_from([Op.LT, Op.LE, Op.EQ, Op.NE]))
        return binary(op, another(of), another(of))
    if is_float(dtype):
        if draw(st.booleans()):
            of = draw(st.sampled_from(INTEGERS))
            return cast(vector(dtype), binary(Op.AND, another(of), 7))
        if draw(st.booleans()):
            return Math(draw(st.sampled_from(["floor", "round", "abs"])), (another(dtype),))
        return binary(draw(st.sampled_from(WRAPPING[:5])), another(dtype), another(dtype))
    match draw(st.sampled_from(["binary", "binary", "cast", "divide", "shift", "abs"])):
        case "cast":
            of = draw(st.sampled_from(DTYPES))
            # NumPy, which has the interpreter's vectors, does not say what narrow integers become of large floats.
            of = "int64" if is_float(of) and lanes > 1 and dtype not in ("int32", "int64") else of
            return cast(vector(dtype), another(of))
        case "divide":
            return binary(
                draw(st.sampled_from([Op.FLOORDIV, Op.MOD])), another(dtype), binary(Op.OR, another(dtype), 1)
            )
        case "shift":
            of = "int64" if dtype == "uint64" else dtype
            return cast(vector(dtype), Math("round_shift", (another(of), another("int8"))))
        case "abs":
            return Math("abs", (another(dtype),))
    return binary(draw(st.sampled_from(WRAPPING)), another(dtype), another(dtype))


@st.composite
def programs(draw, lanes: int) -> Program:
    """Programs that evaluate several expressions, each of another type, on all elements of the inputs."""
    dtypes = draw(st.lists(st.sampled_from(DTYPES), min_size=4, max_size=4))
    outputs = [Buffer(f"y{place}", (const(N),), dtype) for place, dtype in enumerate(dtypes)]
    at = Ramp(Const(0), 1, lanes) if lanes > 1 else PLACE
    stores = [Store(out, (at,), draw(expressions(out.dtype, 3, lanes))) for out in outputs]
    body = seq(*stores) if lanes > 1 else For(PLACE, const(N), seq(*stores))
    return Program("expressions", (*INPUTS.values(), *outputs), body)


def inputs(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = []
    for dtype in DTYPES:
        if is_integer(dtype):
            low, high = limits(dtype)
            values = rng.integers(low, high, N, numpy_dtype(dtype), endpoint=True)
            values[:6] = [low, high, 0, 1, 2, low + 1]
            values[6:10] = rng.integers(0, 40, 4)
        else:
            values = rng.integers(0, 2, N) if dtype == "bool" else rng.integers(-8, 8, N, endpoint=True)
        arrays.append(values.astype(numpy_dtype(dtype)))
    return arrays


def check(program: Program, seed: int) -> None:
    outputs = [param for param in program.params if param.name.startswith("y")]
    arrays = inputs(seed)
    expected = [np.zeros(N, numpy_dtype(out.dtype)) for out in outputs]
    actual = [np.zeros(N, numpy_dtype(out.dtype)) for out in outputs]
    interpreter.run(program, *arrays, *expected)
    compile_program(program)(*arrays, *actual)
    for out, wanted, got in zip(outputs, expected, actual, strict=True):
        np.testing.assert_array_equal(got, wanted, err_msg=f"{out.name} of\n{program}")


BUDGET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@BUDGET
@given(programs(lanes=1), st.integers(0, 2**32))
def test_scalars_are_the_interpreters(program, seed):
    check(program, seed)


@BUDGET
@given(programs(lanes=N), st.integers(0, 2**32))
def test_vectors_are_the_interpreters(program, seed):
    check(program, seed)


def unary(expr: Expr, source: Buffer, values: np.ndarray, dtype: str) -> np.ndarray:
    """`expr` of each of `values`, which `source` at `PLACE` stands for."""
    out = Buffer("out", source.shape, dtype)
    result = np.zeros(values.shape, numpy_dtype(dtype))
    compile_program(Program("unary", (source, out), For(PLACE, source.shape[0], Store(out, (PLACE,), expr))))(
        values, result
    )
    return result


FLOATS = np.array([0.1, -0.1, 0.5, 1.5, 2.5, -2.5, 3.7, -3.7, 1e-3, 20.0, -20.0, 88.0], np.float32)
X = Buffer("x", (const(len(FLOATS)),), "float32")


BELOW_ONE = 1 - 2.0**-20
REFERENCES = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "erf": np.vectorize(math.erf),
    "floor": np.floor,
    "round": np.rint,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "pow": np.power,
    "fmod": np.fmod,
}
DOMAINS = {
    **{"log": (0.01, 90), "sqrt": (0, 90), "log1p": (-BELOW_ONE, 90), "acosh": (1, 90), "pow": (0, 10)},
    **dict.fromkeys(("asin", "acos", "atanh"), (-BELOW_ONE, BELOW_ONE)),
}
"""Where functions are defined and float32 holds what they give."""


@pytest.mark.parametrize("function", REFERENCES)
@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("lanes", [1, 4])
def test_functions_of_floats(function, dtype, lanes):
    values = np.clip(FLOATS, *DOMAINS.get(function, (-90, 90))).astype(dtype)
    source, out = (Buffer(name, X.shape, dtype) for name in "xy")
    at = Ramp(PLACE * lanes, 1, lanes) if lanes > 1 else PLACE
    second = Const(2.7, vector_of(dtype, lanes))
    args = (Load(source, (at,)), second)[: FUNCTIONS[function]]
    body = For(PLACE, const(len(FLOATS) // lanes), Store(out, (at,), Math(function, args)))
    program = Program("function", (source, out), body)
    result, interpreted = np.zeros_like(values), np.zeros_like(values)
    compile_program(program)(values, result)
    interpreter.run(program, values, interpreted)
    operands = (values.astype(np.float64), np.float64(np.dtype(dtype).type(2.7)))[: FUNCTIONS[function]]
    for found in (result, interpreted):
        np.testing.assert_allclose(found, REFERENCES[function](*operands), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_floats_are_cut_towards_zero_and_wrap(dtype):
    values = np.array([0.9, -0.9, 127.5, -129.0, 255.0, 300.7, 70000.0, 3e9, -3e9, 1e10, 2.0**40, -1.5], np.float32)
    expected = values.astype(np.int64).astype(numpy_dtype(dtype))
    np.testing.assert_array_equal(unary(cast(dtype, Load(X, (PLACE,))), X, values, dtype), expected)


def test_floats_within_bounds_are_cut_in_32_bits():
    bounded = minimum(maximum(Load(X, (PLACE,)), -128.0), 127.0)
    result = unary(cast("int8", bounded), X, FLOATS * 50, "int8")
    np.testing.assert_array_equal(result, np.clip(FLOATS * 50, -128, 127).astype(np.int8))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_division_by_zero_gives_zero_and_does_not_trap(dtype):
    source = Buffer("x", (const(5),), dtype)
    values = np.array([0, 1, 2, limits(dtype)[0], limits(dtype)[1]], numpy_dtype(dtype))
    x = Load(source, (PLACE,))
    assert not unary(Binary(Op.FLOORDIV, x, x - x), source, values, dtype).any()
    assert not unary(Binary(Op.MOD, x, x - x), source, values, dtype).any()


def test_round_shift_is_exact_in_64_bits():
    source = Buffer("x", (const(6),), "int64")
    values = np.array([2**62 + 2**30, 3 * 2**30, 2**30, -(2**30), -3 * 2**30, -(2**62) - 1])
    expected = [round(Fraction(int(value), 2**31)) for value in values]
    shifted = Math("round_shift", (Load(source, (PLACE,)), const(31)))
    np.testing.assert_array_equal(unary(shifted, source, values, "int64"), expected)


def test_products_and_sums_of_floats_are_fused():
    program = Program("fused", (X,), For(PLACE, X.shape[0], Store(X, (PLACE,), Load(X, (PLACE,)) * 3.0 + 1.0)))
    assert "vfmadd" in compile_program(program, target="x86-64").assembly


def test_a_guarded_select_does_not_read_what_it_does_not_choose():
    source = Buffer("x", (const(4),), "float32")
    values = np.arange(1, 5, dtype=np.float32)
    inside = Binary(Op.AND, Binary(Op.LE, Const(2), PLACE), Binary(Op.LT, PLACE, Const(6)))
    scalar, vector = (Buffer(name, (const(8),), "float32") for name in "st")
    far = 1 << 28
    i = Ramp(Const(0), 1, 8)
    mask = Binary(Op.AND, Binary(Op.LE, Const(2, "int32x8"), i), Binary(Op.LT, i, Const(6, "int32x8")))
    # Outside of 2..5 the addresses are a gigabyte away.
    away = Select(inside, Const(0), Const(far))
    body = seq(
        For(
            PLACE,
            const(8),
            Store(scalar, (PLACE,), Select(inside, Load(source, (PLACE - 2 + away,)), Const(-1.0, "float32"), True)),
        ),
        Store(vector, (i,), Select(mask, Load(source, (Ramp(Const(-2), 1, 8),)), Const(-1.0, "float32x8"), True)),
    )
    outputs = np.zeros((2, 8), np.float32)
    compile_program(Program("guarded", (source, scalar, vector), body))(values, *outputs)
    np.testing.assert_array_equal(outputs, [[-1, -1, 1, 2, 3, 4, -1, -1]] * 2)
