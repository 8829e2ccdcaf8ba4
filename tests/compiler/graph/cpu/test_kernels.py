"""Nodes as native functions: what they compute, which arguments they take, and which share code."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler.codegen.llvm.target import host
from dovetail.compiler.graph.cpu import compile_node
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Builder
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.elementwise import Binary, Unary, Where
from dovetail.compiler.graph.ops.linear import Conv, ConvTranspose, MatMul
from dovetail.compiler.graph.ops.movement import Concat, Expand, Gather, Pad, Reshape, Slice, Transpose
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import Dequantize, QAdd, QAvgPool2d, QRescale, Quantize, Requantise
from dovetail.compiler.graph.ops.reduction import ArgReduce, Cumulative, Reduce
from dovetail.compiler.ops.scales import Output, Scale
from tests.compiler.graph.cpu.running import computed, kernel_of, random_array

F, Q = "float32", "int8"
WINDOW = {"strides": (2, 1), "pads_begin": (1, 0), "pads_end": (1, 1), "dilations": (1, 1)}
BACK = {"strides": (2,), "pads_begin": (1,), "output_shape_spatial": (16,), "dilations": (1,)}
SCALED = Scale(zero_point=4, multiplier=7, shift=2)
SCALE, ZERO = np.array(0.05, np.float32), np.array(3, np.int8)
"""Operands that are given as arrays are constant; others are random ones of a shape and a type."""

CASES: list[tuple[Op, ...]] = [
    (Binary(function="add"), ((2, 64, 7, 7), F), ((64, 1, 1), F)),
    (Binary(function="mul"), ((3, 1, 5), F), ((4, 1), F)),
    (Binary(function="mul"), ((), F), ((), F)),
    (Unary(function="exp"), ((5, 4000), F)),
    (Where(), ((4, 1), "bool"), ((4, 50), F), ((50,), F)),
    (QAdd(one=SCALED, other=Scale(multiplier=-5), output=Output(fraction=2)), ((2, 9, 7), Q), ((2, 9, 7), Q)),
    (QRescale(scale=SCALED, output=Output(bounds=(0, 100))), ((1, 20011), Q)),
    (QAvgPool2d(kernel=(7, 7), scale=Scale(multiplier=1337, shift=16)), ((1, 33, 7, 7), Q)),
    (QAvgPool2d(kernel=(3, 3), pads=(1, 1, 1, 1), zero_point=-9, scale=SCALED), ((1, 3, 9, 9), Q)),
    (Requantise(axis=1, output=Output(zero_point=1)), ((2, 3, 40), "int32"), *[np.arange(3, dtype=np.int32)] * 3),
    (Quantize(), ((2, 3, 50), F), SCALE, ZERO),
    (Dequantize(axis=1), ((2, 3, 50), Q), np.array([0.1, 0.2, 0.3], np.float32), np.array([1, 2, 3], np.int8)),
    (Reduce(function="mean", axes=(2, 3), keepdims=True), ((2, 24, 7, 7), F)),
    (Reduce(function="sum", axes=(0,), keepdims=False), ((40, 3, 32), F)),
    (Reduce(function="max", axes=(0, 2), keepdims=False), ((4, 3, 128), F)),
    (Reduce(function="sum", axes=(0, 1), keepdims=False), ((30, 64), F)),
    (Reduce(function="sum", axes=(1,), keepdims=True), ((7, 13), "int32")),
    (ArgReduce(function="max", axis=1, keepdims=False, last=False), ((5, 30), F)),
    (Cumulative(function="sum", axis=1, exclusive=False, reverse=False), ((5, 30), F)),
    (Transpose(order=(0, 2, 1, 3)), ((2, 30, 4, 16), F)),
    (Reshape(shape=(6, 20)), ((2, 3, 20), F)),
    (Reshape(shape=(2, 3)), ((2, 3), F)),
    (Concat(axis=1), ((2, 3, 5), F), ((2, 0, 5), F), ((2, 4, 5), F)),
    (Slice(starts=(1, 6), sizes=(2, 3), steps=(1, -2)), ((4, 8), F)),
    (Pad(before=(1, 2), after=(0, 1), mode="constant", value=1.5), ((4, 8), F)),
    (Expand(shape=(3, 4, 5)), ((4, 1), F)),
    (Gather(axis=0), ((9, 16), F), np.array([[0, -1], [4, 8]], np.int64)),
    (MatMul(), ((3, 20, 33), F), ((3, 33, 64), F)),
    (MatMul(), ((20, 33), F), ((2, 33, 37), F)),
    (MatMul(), ((33,), F), ((33,), F)),
    (MatMul(), ((2, 5, 33), F), np.linspace(-1, 1, 33 * 40, dtype=np.float32).reshape(33, 40)),
    (Conv(**WINDOW), ((2, 3, 9, 11), F), np.linspace(-1, 1, 20 * 3 * 6, dtype=np.float32).reshape(20, 3, 3, 2)),
    (Conv(**WINDOW), ((2, 3, 9, 11), F), ((20, 3, 3, 2), F), ((20,), F)),
    (ConvTranspose(**BACK), ((1, 4, 9), F), ((4, 3, 3), F)),
    (Pool(function="max", kernel=(3, 3), out_shape=(5, 10), **WINDOW), ((1, 4, 9, 11), F)),
    (Pool(function="avg", kernel=(3, 3), out_shape=(5, 10), **WINDOW), ((1, 4, 9, 11), F)),
    (Pool(function="avg", kernel=(3, 3), out_shape=(5, 10), count_include_pad=True, **WINDOW), ((1, 4, 9, 11), F)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].name)
def test_a_node_computes_what_its_operator_means(case: tuple, rng: np.random.Generator) -> None:
    op, *operands = case
    arrays = [one if isinstance(one, np.ndarray) else random_array(rng, *one) for one in operands]
    constants = [place for place, one in enumerate(operands) if isinstance(one, np.ndarray)]
    expected = op.evaluate(*arrays)
    for threads in (1, 2):
        found = computed(op, arrays, constants, threads)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
        else:
            np.testing.assert_array_equal(found, expected)


def test_runtime_operands_come_first_and_constants_as_given_behind_them(rng: np.random.Generator) -> None:
    arrays = [random_array(rng, (4, 1), "bool"), random_array(rng, (4, 5), F), random_array(rng, (5,), F)]
    kernel = kernel_of(Where(), arrays, constants=(0,))
    assert [value.name for value in kernel.inputs] == ["x1", "x2"]
    ((label, constant),) = kernel.constants
    assert label == "const"
    np.testing.assert_array_equal(constant.reshape(4, 1), arrays[0])
    np.testing.assert_array_equal(kernel(*arrays[1:]), np.where(*arrays))


def test_nodes_with_equal_code_share_a_symbol_and_others_do_not(rng: np.random.Generator) -> None:
    def convolution(channels: int) -> tuple:
        return random_array(rng, (1, 4, 9, 11), F), random_array(rng, (channels, 4, 3, 2), F)

    first, second, third = (kernel_of(Conv(**WINDOW), convolution(channels), (1,)) for channels in (8, 8, 9))
    assert first.name == second.name != third.name
    assert first.module.object_code() == second.module.object_code()
    assert not np.array_equal(first.constants[0][1], second.constants[0][1])


def test_an_operand_that_nothing_reads_is_no_argument(rng: np.random.Generator) -> None:
    kernel = kernel_of(QAdd(other=Scale(multiplier=0)), [random_array(rng, (3, 5), Q)] * 2)
    array = random_array(rng, (3, 5), Q)
    np.testing.assert_array_equal(kernel(*[array] * len(kernel.inputs)), array)


def test_sums_of_nothing_are_constants() -> None:
    nothing = np.empty((3, 0, 4), np.float32)
    kernel = kernel_of(Reduce(function="sum", axes=(1,), keepdims=True), [nothing])
    assert kernel.inputs == ()
    np.testing.assert_array_equal(kernel(), np.zeros((3, 1, 4), np.float32))


def test_an_output_without_elements_has_no_kernel() -> None:
    builder = Builder("empty")
    out = builder.node(Unary(function="exp"), builder.input("x", (3, 0), F))
    with pytest.raises(GraphError, match=r"%exp is float32\[3, 0\], which has no elements; leave exp out"):
        compile_node(builder.graph(out).nodes[0], {}, host(), 1)
