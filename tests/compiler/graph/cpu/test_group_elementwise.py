"""Groups of cheap operators compute what the single ones do, and are as large as pays."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.compiler.codegen.llvm.target import host
from dovetail.compiler.graph.cpu import compile_node
from dovetail.compiler.graph.graph import Builder, Graph, Value
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.elementwise import Binary, Clip, Unary
from dovetail.compiler.graph.ops.fused import Fused
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.movement import Expand, Slice, Transpose
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.compiler.graph.ops.reduction import Reduce
from dovetail.compiler.graph.passes.group_elementwise import group_elementwise
from dovetail.compiler.graph.verifier import verify
from tests.compiler.graph.cpu.running import random_array, run

EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Networks of operators on single elements, movements and reductions, with values that several read."""
    builder = Builder("random")
    values = [builder.input("x", (3, 8, 5), "float32"), builder.input("y", (8, 1), "float32")]
    values.append(builder.constant(np.linspace(0.5, 2, 5, dtype=np.float32)))
    for _ in range(draw(st.integers(2, 9))):
        one, other = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        kind = draw(st.sampled_from(("binary", "binary", "binary", "unary", "clip", "movement", "reduce")))
        rank = one.type.rank
        if kind == "binary":
            try:
                np.broadcast_shapes(one.type.shape, other.type.shape)
            except ValueError:
                continue
            values.append(builder.node(Binary(function=draw(st.sampled_from(("add", "mul", "maximum")))), one, other))
        elif kind == "unary":
            values.append(builder.node(Unary(function=draw(st.sampled_from(("tanh", "sigmoid", "neg")))), one))
        elif kind == "clip":
            values.append(builder.node(Clip(minimum=-1.0, maximum=2.0), one))
        elif kind == "reduce":
            values.append(builder.node(Reduce(function="sum", axes=(rank - 1,), keepdims=True), one))
        else:
            sizes = one.type.shape
            sliced = Slice(starts=(0,) * rank, sizes=tuple(max(1, size // 2) for size in sizes), steps=(1,) * rank)
            moved = Transpose(order=tuple(reversed(range(rank))))
            values.append(builder.node(draw(st.sampled_from((moved, sliced, Expand(shape=(2, *sizes))))), one))
    made = [value for value in values if value not in (*builder.inputs, *builder.constants)]
    if not made:
        made = [builder.node(Unary(function="neg"), values[0])]
    return builder.graph(*dict.fromkeys((made[-1], draw(st.sampled_from(made)))))


@EXAMPLES
@given(graphs())
def test_grouped_graphs_compute_the_same_compiled_and_interpreted(graph: Graph) -> None:
    rng = np.random.default_rng(0)
    inputs = {value.name: random_array(rng, value.type.shape, value.type.dtype) for value in graph.inputs}
    grouped = verify(group_elementwise(graph))
    assert grouped.outputs == graph.outputs
    expected = outputs(graph, inputs)
    for found, compiled, wanted in zip(outputs(grouped, inputs), run(grouped, inputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
        np.testing.assert_allclose(compiled, wanted, rtol=1e-4, atol=1e-4 * float(np.abs(wanted).max()))


def nodes_of(builder: Builder, *results: Value) -> list[str]:
    return [f"{node.op.name}({node.op.attributes()})" for node in group_elementwise(builder.graph(*results)).nodes]


def unary(builder: Builder, function: str, value: Value) -> Value:
    return builder.node(Unary(function=function), value)


def binary(builder: Builder, function: str, one: Value, other: Value) -> Value:
    return builder.node(Binary(function=function), one, other)


def test_a_chain_becomes_one_operator_that_reads_as_an_expression() -> None:
    builder = Builder("gelu")
    x = builder.input("x", (4, 9), "float32")
    half, one = (builder.constant(np.array(number, np.float32)) for number in (0.5, 1))
    y = binary(builder, "mul", binary(builder, "mul", x, half), binary(builder, "add", unary(builder, "erf", x), one))
    assert nodes_of(builder, y) == ["fused(mul(mul(x0, x1), add(erf(x0), x2)))"]


def test_what_is_read_twice_is_named_and_joins_if_it_is_simple() -> None:
    builder = Builder("square")
    x, y = (builder.input(name, (4, 9), "float32") for name in "xy")
    difference = binary(builder, "sub", x, y)
    square = binary(builder, "mul", difference, difference)
    mean = builder.node(Reduce(function="mean", axes=(1,), keepdims=True), square)
    assert nodes_of(builder, mean) == [
        "fused(t = sub(x0, x1); reduce(mul(t, t); function='mean', axes=(1,), keepdims=True))"
    ]


def test_nothing_is_computed_more_often_than_before() -> None:
    builder = Builder("soft-max")
    x = builder.input("x", (4, 9), "float32")
    e = unary(builder, "exp", x)
    total = builder.node(Reduce(function="sum", axes=(1,), keepdims=True), e)
    share = binary(builder, "mul", e, unary(builder, "reciprocal", total))
    assert nodes_of(builder, share) == [
        "exp()",
        "reduce(function='sum', axes=(1,), keepdims=True)",
        "reciprocal()",
        "mul()",
    ]


def test_outputs_of_the_graph_stay() -> None:
    builder = Builder("outputs")
    inside = unary(builder, "neg", builder.input("x", (4,), "float32"))
    assert nodes_of(builder, inside, unary(builder, "tanh", inside)) == ["neg()", "tanh()"]


def test_a_slow_function_of_one_byte_is_a_table() -> None:
    builder = Builder("sigmoid")
    x = builder.input("x", (4, 64), "int8")
    scale, zero = builder.constant(np.array(0.1, np.float32)), builder.constant(np.array(3, np.int8))
    y = unary(builder, "sigmoid", builder.node(Dequantize(), x, scale, zero))
    z = builder.node(Quantize(), y, scale, zero)
    graph = builder.graph(z)
    (node,) = group_elementwise(graph).nodes
    assert node.op.attributes() == "quantize(sigmoid(dequantize(x0, x1, x2)), x1, x2)"
    kernel = compile_node(node, graph.constants, host(), 1)
    ((_, table),) = kernel.constants
    every = np.arange(-128, 128).astype(np.int8).reshape(4, 64)
    steps = np.rint(1 / (1 + np.exp(-0.1 * (every.astype(np.float64) - 3))) / 0.1) + 3
    np.testing.assert_array_equal(kernel(every), steps)
    np.testing.assert_array_equal(table.reshape(4, 64), steps)


def test_bias_and_relu_join_convolutions_and_products_in_their_registers(rng: np.random.Generator) -> None:
    builder = Builder("network")
    x = builder.input("x", (1, 3, 8, 8), "float32")
    weights = builder.constant(random_array(rng, (16, 3, 3, 3), "float32"))
    window = {"strides": (1, 1), "pads_begin": (1, 1), "pads_end": (1, 1), "dilations": (1, 1)}
    y = unary(builder, "relu", builder.node(Conv(**window), x, weights))
    factors, bias = (builder.constant(random_array(rng, shape, "float32")) for shape in ((8, 24), (24,)))
    z = unary(builder, "relu", binary(builder, "add", builder.node(MatMul(), y, factors), bias))
    graph = builder.graph(z)
    grouped = verify(group_elementwise(graph))
    assert [type(node.op) for node in grouped.nodes] == [Fused, Fused]
    inputs = {"x": random_array(rng, x.type.shape, "float32")}
    (found,), (expected,) = run(grouped, inputs), outputs(graph, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert [node.name for node in grouped.nodes] == [y.name, z.name]


def test_groups_that_do_the_same_are_equal_but_for_their_operands() -> None:
    builder = Builder("twins")
    ends = [unary(builder, "tanh", unary(builder, "neg", builder.input(name, (4,), "float32"))) for name in ("x", "y")]
    first, second = group_elementwise(builder.graph(*ends)).nodes
    assert first.op == second.op and hash(first.op) == hash(second.op)
    assert first.inputs != second.inputs
