"""Quantised operators joined and taken apart."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler.graph.graph import Graph
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.pipeline import optimise
from tests.compiler.graph.passes.quantised_graphs import Layers, differences, ops


def block(b: Layers, *, between: float | None, relu_apart: bool = False) -> Graph:
    """A convolution and a product of it with its input, with a rounding in between or without."""
    x = b.rounded(b.input("x", (1, 6, 8, 8), "float32"), 0.03, 2, "x_q")
    sums = b.conv(x, 6, bias=False)
    if between is not None:
        sums = b.rounded(sums, between, 0, "between")
    total = b.add(sums, x)
    if relu_apart:
        total = b.rounded(total, 0.1, -10, "total")
    return b.graph(b.rounded(b.relu(total), 0.1, -10, "y"))


def test_a_bound_joins_what_is_before_it() -> None:
    b = Layers()
    graph = block(b, between=None, relu_apart=True)
    after = optimise(graph)
    assert ops(after) == ["quantize", "qconv2d", "dequantize"]
    assert after.nodes[1].name == "y" and after.nodes[1].op.output.bounds == (-10, 127)
    assert np.abs(differences(graph, after, b.samples())).max() <= 1


def test_a_rounding_of_the_model_is_kept_unless_it_need_not_be() -> None:
    b = Layers()
    graph = block(b, between=0.1)
    assert ops(optimise(graph)) == ["quantize", "qconv2d", "qadd", "dequantize"]
    kept = differences(graph, optimise(graph), b.samples())
    assert np.abs(kept).max() <= 1 and np.count_nonzero(kept) < 0.01 * kept.size
    joined = optimise(graph, exact=False)
    assert ops(joined) == ["quantize", "qconv2d", "dequantize"]
    wrong = differences(graph, joined, b.samples())
    assert wrong.any() and np.abs(wrong).max() <= 1


@pytest.mark.parametrize("relu_apart", [False, True])
def test_taken_apart_every_operator_has_its_own_result(relu_apart: bool) -> None:
    b = Layers()
    graph = block(b, between=None, relu_apart=relu_apart)
    apart = optimise(graph, fused=False)
    assert ops(apart) == ["quantize", "qconv2d", "requantise", "qadd", "qrescale", "dequantize"]
    assert [node.name for node in apart.nodes][-2] == "y"
    assert np.abs(differences(graph, apart, b.samples())).max() <= 1


def test_without_residual_taking_apart_changes_nothing() -> None:
    b = Layers("uint8")
    x = b.rounded(b.input("x", (4, 10), "float32"), 0.03, 2, "x_q")
    graph = b.graph(b.rounded(b.relu(b.matmul(x, b.weights(10, 7, axis=1))), 0.04, -128, "y"))
    apart = optimise(graph, fused=False)
    assert ops(apart) == ["quantize", "qmatmul", "requantise", "dequantize"]
    assert not differences(graph, apart, b.samples()).any()


def test_a_bound_goes_through_a_change_of_shape() -> None:
    b = Layers()
    x = b.rounded(b.input("x", (4, 10), "float32"), 0.03, 2, "x_q")
    product = b.rounded(b.matmul(x, b.weights(10, 6, axis=1)), 0.04, 3, "product")
    graph = b.graph(b.rounded(b.relu(b.node(Reshape(shape=(4, 2, 3)), product)), 0.04, 3, "y"))
    after = optimise(graph)
    assert [(node.op.name, node.name) for node in after.nodes[1:-1]] == [("qmatmul", "y_moved"), ("reshape", "y")]
    assert not differences(graph, after, b.samples()).any()
