"""Patterns of floats between Dequantize and Quantize, held to what the floats give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.graph import Graph, Value
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.elementwise import Binary, Clip, Unary
from dovetail.compiler.graph.ops.linear import Conv
from dovetail.compiler.graph.ops.movement import Concat, Pad, Reshape, Slice, Transpose
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import Dequantize, QConv2d
from dovetail.compiler.graph.ops.reduction import Reduce
from dovetail.compiler.graph.pipeline import optimise, stages
from tests.compiler.graph.passes.quantised_graphs import Layers, differences, ops

IMAGE = (1, 6, 8, 8)
PER_CHANNEL = Dequantize(axis=0)
POINTWISE = Conv(strides=(1, 1), pads_begin=(0, 0), pads_end=(0, 0), dilations=(1, 1))


def start(b: Layers, *shape: int, name: str = "x", zero_point: int = 0) -> Value:
    """An input of floats, quantised."""
    return b.rounded(b.input(name, shape or IMAGE, "float32"), 0.03, zero_point, f"{name}_q")


def pool(function: str, kernel: int, stride: int, pad: int, out: int) -> Pool:
    return Pool(
        function=function,
        kernel=(kernel, kernel),
        strides=(stride, stride),
        pads_begin=(pad, pad),
        pads_end=(pad, pad),
        dilations=(1, 1),
        out_shape=(out, out),
    )


def conv_relu(b: Layers) -> Value:
    return b.rounded(b.relu(b.conv(start(b), 8)), 0.04, name="y")


def conv_clip(b: Layers) -> Value:
    value = b.node(Clip(minimum=0.0, maximum=6.0), b.conv(start(b, zero_point=9), 8, bias=False))
    return b.rounded(value, 0.04, -100, name="y")


def depthwise(b: Layers) -> Value:
    return b.rounded(b.conv(start(b), 6, groups=6), 0.02, 3, name="y")


def conv_of_one_axis(b: Layers) -> Value:
    x = start(b, 1, 6, 12, zero_point=-7)
    return b.rounded(b.relu(b.add(b.conv(x, 6), x)), 0.05, name="y")


def residual(b: Layers) -> Value:
    x = start(b)
    return b.rounded(b.relu(b.add(b.conv(x, 6), x)), 0.06, -5, name="y")


def residual_first(b: Layers) -> Value:
    x = start(b, zero_point=4)
    return b.rounded(b.add(x, b.conv(x, 6)), 0.06, name="y")


def product(b: Layers) -> Value:
    x = start(b, 4, 10, zero_point=-3)
    return b.rounded(b.add(b.floats(7), b.matmul(x, b.weights(10, 7, axis=1))), 0.04, 1, name="y")


def product_of_transposed_weights(b: Layers) -> Value:
    weight = b.node(Transpose(order=(1, 0)), b.weights(7, 10))
    return b.rounded(b.relu(b.matmul(start(b, 2, 4, 10), weight)), 0.04, name="y")


def product_of_activations(b: Layers) -> Value:
    one, other = start(b, 2, 4, 10), start(b, 2, 10, 5, name="other")
    return b.rounded(b.node(Binary(function="mul"), b.matmul(one, other), b.constant(np.float32(0.2))), 0.05, name="y")


def addition(b: Layers) -> Value:
    value = b.add(start(b, zero_point=11), b.rounded(b.input("other", IMAGE, "float32"), 0.02, -3, "other_q"))
    return b.rounded(b.relu(value), 0.05, 2, name="y")


def subtraction(b: Layers) -> Value:
    value = b.node(Binary(function="sub"), start(b), start(b, name="other", zero_point=5))
    return b.rounded(value, 0.05, 2, name="y")


def rescaling(b: Layers) -> Value:
    value = b.node(Binary(function="div"), b.relu(start(b, zero_point=11)), b.constant(np.float32(3)))
    return b.rounded(value, 0.008, -9, name="y")


def joined(b: Layers) -> Value:
    value = b.node(Concat(axis=1), start(b), b.rounded(b.input("other", IMAGE, "float32"), 0.05, -3, "other_q"))
    return b.rounded(value, 0.05, -3, name="y")


def average(b: Layers) -> Value:
    return b.rounded(b.node(pool("avg", 8, 1, 0, 1), start(b, zero_point=7)), 0.005, -1, name="y")


def mean(b: Layers) -> Value:
    reduced = b.node(Reduce(function="mean", axes=(2, 3), keepdims=False), start(b, zero_point=7))
    return b.rounded(reduced, 0.005, -1, name="y")


def small_average(b: Layers) -> Value:
    return b.rounded(b.node(pool("avg", 2, 2, 0, 4), start(b, zero_point=7)), 0.02, -1, name="y")


def maximum_pool(b: Layers) -> Value:
    return b.rounded(b.node(pool("max", 3, 2, 1, 4), start(b, zero_point=7)), 0.03, 7, name="y")


def pool_and_rescale(b: Layers) -> Value:
    return b.rounded(b.node(pool("max", 2, 2, 0, 4), start(b)), 0.02, 7, name="y")


def movements(b: Layers) -> Value:
    value = b.node(Pad(before=(0, 0, 1, 1), after=(0, 0, 1, 1), mode="constant", value=0.0), start(b, zero_point=4))
    value = b.node(Slice(starts=(0, 1, 0, 0), sizes=(1, 5, 10, 5), steps=(1, 1, 1, 2)), value)
    return b.rounded(b.node(Reshape(shape=(5, 50)), value), 0.03, 4, name="y")


PATTERNS: list[tuple[Callable[[Layers], Value], list[str]]] = [
    (conv_relu, ["qconv2d"]),
    (conv_clip, ["qconv2d"]),
    (depthwise, ["qconv2d"]),
    (conv_of_one_axis, ["reshape", "qconv2d", "reshape"]),
    (residual, ["qconv2d"]),
    (residual_first, ["qconv2d"]),
    (product, ["qmatmul"]),
    (product_of_transposed_weights, ["qmatmul"]),
    (product_of_activations, ["quantize", "transpose", "qmatmul"]),
    (addition, ["quantize", "qadd"]),
    (subtraction, ["quantize", "qadd"]),
    (rescaling, ["qrescale"]),
    (joined, ["quantize", "qrescale", "concat"]),
    (average, ["qavgpool2d"]),
    (mean, ["qavgpool2d", "reshape"]),
    (small_average, ["qavgpool2d"]),
    (maximum_pool, ["qmaxpool2d"]),
    (pool_and_rescale, ["qmaxpool2d", "qrescale"]),
    (movements, ["pad", "slice", "reshape"]),
]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("pattern", "expected"), PATTERNS, ids=[pattern.__name__ for pattern, _ in PATTERNS])
def test_patterns_are_recognised_within_a_step(
    pattern: Callable[[Layers], Value], expected: list[str], dtype: str
) -> None:
    b = Layers(dtype)
    graph = b.graph(pattern(b))
    after = optimise(graph)
    assert ops(after) == ["quantize", *expected, "dequantize"]
    assert "y" in {node.name for node in after.nodes}
    wrong = differences(graph, after, b.samples())
    assert np.abs(wrong).max() <= 1
    # A bias of float is rounded to units of the sum, and a residual's ratio to 16 bits.
    assert np.count_nonzero(wrong) <= 0.02 * wrong.size


def test_a_graph_before_and_after() -> None:
    b = Layers("uint8")
    x = b.rounded(b.input("x", (1, 1, 2, 2), "float32"), 0.5, -128, "x_q")
    weight = b.node(
        PER_CHANNEL,
        b.constant(np.full((1, 1, 1, 1), 64, np.int8), "w"),
        b.constant(np.float32([0.25])),
        b.constant(np.zeros(1, np.int8)),
    )
    sums = b.node(POINTWISE, x, weight, b.constant(np.float32([3.0]), "b"))
    graph = b.graph(b.quantised(b.relu(b.add(sums, x)), 2.0, -128, "y"))
    *_, (name, last) = stages(graph)
    assert name == "fuse"
    assert str(last).splitlines()[-6:] == [
        "    %x_q: int8[1, 1, 2, 2] = quantize(%x, %const, %const_1_int8)",
        "    %y_int8: int8[1, 1, 2, 2] = qconv2d(%x_q, %w, %y_int8_bias, %y_int8_multiplier, %y_int8_shift, %x_q; "
        "zero_point=-128, output=Output(fraction=16, zero_point=-128), "
        "residual=Scale(zero_point=-128, multiplier=16384))",
        "    %y_bits: int8[1, 1, 2, 2] = bitwise_xor(%y_int8, %y_bits_top)",
        "    %y: uint8[1, 1, 2, 2] = cast(%y_bits; dtype='uint8')",
        "    return %y",
        "}",
    ]
    contents = {value.name: array.tolist() for value, array in last.constants.items()}
    # 3.0 is 24 units of 0.5 * 0.25, and 128 of x stand for 0; a unit is 1/16 of a step of 2.0, in 2**-16 of a step.
    assert contents["y_int8_bias"] == [24 + 128 * 64]
    assert (contents["y_int8_multiplier"], contents["y_int8_shift"]) == ([4096], [0])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_residuals_of_any_scales_are_within_a_step(data) -> None:
    b = Layers(seed=data.draw(st.integers(0, 99)))
    scales = st.floats(1e-4, 10)
    points = st.integers(-128, 127)
    x = b.rounded(b.input("x", (1, 4, 4, 4), "float32"), data.draw(scales), data.draw(points), "x_q")
    graph = b.graph(b.rounded(b.add(b.conv(x, 4), x), data.draw(scales), data.draw(points), "y"))
    after = optimise(graph)
    assert ("qconv2d" in ops(after)) == (ops(after) == ["quantize", "qconv2d", "dequantize"])
    assert np.abs(differences(graph, after, b.samples(1))).max() <= 1


def test_a_bias_that_is_too_fine_for_the_sums_leaves_the_layer_in_float() -> None:
    def block(step: float) -> Graph:
        b = Layers()
        x = b.rounded(b.input("x", (1, 4, 4, 4), "float32"), 4.0, 0, "x_q")
        return optimise(b.graph(b.rounded(b.add(b.conv(x, 4), x), step, 0, "y")))

    assert "qconv2d" in ops(block(4.0))
    assert "qconv2d" not in ops(block(2.0**-7))


def exact(graph: Graph, b: Layers) -> Graph:
    """The graph after all passes, which gives the same to the bit."""
    after = optimise(graph)
    for sample in b.samples():
        for one, other in zip(outputs(graph, sample), outputs(after, sample), strict=True):
            np.testing.assert_array_equal(one, other)
    return after


def test_weights_with_a_zero_point_stay_float() -> None:
    b = Layers()
    weight = b.constant(np.full((4, 6, 1, 1), 3, np.int8))
    floats = b.node(PER_CHANNEL, weight, b.constant(np.full(4, 0.1, np.float32)), b.constant(np.ones(4, np.int8)))
    after = exact(b.graph(b.rounded(b.node(POINTWISE, start(b), floats), 0.05)), b)
    assert ops(after) == ["quantize", "dequantize", "conv", "quantize", "dequantize"]


def test_products_of_activations_with_zero_points_stay_float() -> None:
    b = Layers()
    value = b.matmul(start(b, 4, 10), start(b, 10, 5, name="other", zero_point=1))
    assert "qmatmul" not in ops(exact(b.graph(b.rounded(value, 0.1)), b))


def test_floats_that_something_else_reads_are_computed_once() -> None:
    b = Layers()
    sums = b.conv(start(b), 4)
    after = exact(b.graph(b.rounded(sums, 0.05), b.node(Unary(function="exp"), sums)), b)
    assert "qconv2d" not in ops(after) and ops(after).count("conv") == 1


def test_a_channel_without_weights_gives_its_bias() -> None:
    b = Layers()
    silent = np.zeros((2, 6, 1, 1), np.int8)
    scale, zero = b.constant(np.full(2, 1e-9, np.float32)), b.constant(np.zeros(2, np.int8))
    weight = b.node(PER_CHANNEL, b.constant(silent), scale, zero)
    sums = b.node(POINTWISE, start(b), weight, b.constant(np.float32([1.5, -2.5])))
    after = exact(b.graph(b.rounded(sums, 0.25, name="y")), b)
    assert any(isinstance(node.op, QConv2d) for node in after.nodes)


def test_the_same_scale_on_both_sides_leaves_nothing_but_the_movement() -> None:
    b = Layers()
    value = b.rounded(b.node(Reshape(shape=(6, 64)), b.rounded(start(b), 0.03, name="again")), 0.03, name="flat_q")
    assert [node.name for node in exact(b.graph(value), b).nodes][:2] == ["x_q", "flat_q"]
