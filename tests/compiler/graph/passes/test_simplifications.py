"""Passes that make less of a graph and leave what it computes."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler.graph.graph import Builder, Graph, Value
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.elementwise import Binary, Cast, Unary
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.movement import Pad, Reshape, Slice, Transpose
from dovetail.compiler.graph.passes import fold_constants as folding
from dovetail.compiler.graph.passes.fold_batch_norm import fold_batch_norm
from dovetail.compiler.graph.passes.fold_constants import fold_constants, fold_integers
from dovetail.compiler.graph.passes.fold_padding import fold_padding
from dovetail.compiler.graph.passes.remove_dead import remove_dead
from dovetail.compiler.graph.verifier import verify
from tests.compiler.graph.passes.quantised_graphs import Layers, ops

RNG = np.random.default_rng(3)
CONV = Conv(strides=(1, 1), pads_begin=(1, 1), pads_end=(1, 1), dilations=(1, 1))


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def same(before: Graph, after: Graph, *, exact: bool = True) -> None:
    verify(after)
    assert [value.type for value in after.outputs] == [value.type for value in before.outputs]
    inputs = {value.name: floats(*value.type.shape) for value in before.inputs}
    for one, other in zip(outputs(before, inputs), outputs(after, inputs), strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_what_depends_on_constants_alone_is_computed() -> None:
    b = Builder("net")
    x = b.input("x", (2, 3), "float32")
    k = b.node(Binary(function="mul"), b.constant(np.float32([1, 2, 3]), "k"), b.constant(np.float32(2), "two"))
    graph = b.graph(b.node(Binary(function="add"), x, b.node(Unary(function="neg"), k, name="negated"), name="y"))
    folded = fold_constants(graph)
    assert (
        str(folded)
        == """\
graph net(%x: float32[2, 3]) {
    %negated: float32[3] = [-2., -4., -6.]
    %y: float32[2, 3] = add(%x, %negated)
    return %y
}"""
    )
    same(graph, folded)


def test_large_results_are_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Builder("net")
    graph = b.graph(b.node(Binary(function="add"), b.input("x", (), "float32"), wide(b)))
    assert ops(fold_constants(graph)) == ["add"]
    monkeypatch.setattr(folding, "LARGEST", 63)
    assert ops(fold_constants(graph)) == ["transpose", "add"]


def wide(b: Builder) -> Value:
    return b.node(Transpose(order=(1, 0)), b.constant(floats(4, 4)))


def test_integers_of_weights_are_kept() -> None:
    b = Layers()
    turned = b.node(Transpose(order=(1, 0)), b.weights(4, 3))
    graph = b.graph(b.matmul(b.input("x", (2, 3), "float32"), turned))
    assert ops(fold_integers(graph)) == ["dequantize", "transpose", "matmul"]
    assert ops(fold_constants(graph)) == ["matmul"]


def test_what_changes_nothing_goes() -> None:
    b = Builder("net")
    x = b.input("x", (2, 3, 4), "float32")
    one = b.node(Transpose(order=(0, 2, 1)), b.node(Cast(dtype="float32"), b.node(Reshape(shape=(2, 3, 4)), x)))
    two = b.node(Transpose(order=(2, 1, 0)), one)
    kept = b.node(Slice(starts=(0, 0, 0), sizes=(3, 4, 2), steps=(1, 1, 1)), two)
    b.node(Unary(function="exp"), kept)
    flat = b.node(Reshape(shape=(24,)), b.node(Reshape(shape=(12, 2)), kept), name="flat")
    graph = b.graph(flat)
    after = remove_dead(graph)
    assert (
        str(after)
        == """\
graph net(%x: float32[2, 3, 4]) {
    %transpose_1: float32[3, 4, 2] = transpose(%x; order=(1, 2, 0))
    %flat: float32[24] = reshape(%transpose_1; shape=(24,))
    return %flat
}"""
    )
    same(graph, after)


def test_outputs_keep_their_names_and_inputs_stay() -> None:
    b = Builder("net")
    x, unread = b.input("x", (2, 3), "float32"), b.input("unread", (1,), "float32")
    y = b.node(Unary(function="exp"), x, name="y")
    copies = [b.node(Reshape(shape=(2, 3)), value, name=name) for value, name in ((x, "same"), (y, "renamed"))]
    after = remove_dead(b.graph(*copies))
    assert after.inputs == (x, unread)
    assert [value.name for value in after.outputs] == ["same", "renamed"]
    # An input cannot be called as an output is, so that copy stays; the other output takes the copy's name.
    assert [(node.op.name, node.name) for node in after.nodes] == [("exp", "renamed"), ("reshape", "same")]
    same(b.graph(*copies), after)


def channels(b: Builder, function: str, value: Value, *shape: int) -> Value:
    return b.node(Binary(function=function), value, b.constant(floats(*shape) + 2))


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_goes_into_a_convolution(bias: bool) -> None:
    b = Builder("net")
    x = b.input("x", (1, 3, 5, 5), "float32")
    weight = b.constant(floats(4, 3, 3, 3), "weight")
    value = b.node(CONV, x, weight, *([b.constant(floats(4))] if bias else []))
    for function, shape in (("mul", (1, 4, 1, 1)), ("add", (4, 1, 1)), ("div", ()), ("sub", (1, 4, 1, 1))):
        value = channels(b, function, value, *shape)
    last = b.node(Binary(function="sub"), b.constant(floats(4, 1, 1)), value, name="y")
    after = fold_batch_norm(b.graph(last))
    assert ops(after) == ["conv"] and after.outputs[0].name == "y"
    same(b.graph(last), after, exact=False)


def test_factors_behind_a_product_go_into_its_weights() -> None:
    b = Builder("net")
    x = b.input("x", (2, 3), "float32")
    value = b.node(MatMul(), x, b.constant(floats(3, 4)))
    value = channels(b, "mul", channels(b, "add", channels(b, "mul", value, 4), 1, 4), 4)
    after = fold_batch_norm(b.graph(value))
    assert ops(after) == ["matmul", "add"]
    same(b.graph(value), after, exact=False)


def test_other_factors_stay() -> None:
    b = Builder("net")
    x = b.input("x", (1, 4, 4, 4), "float32")
    conv = b.node(CONV, x, b.constant(floats(4, 4, 3, 3)))
    by_column = channels(b, "mul", conv, 4)
    read_twice = channels(b, "mul", conv, 1)
    graph = b.graph(by_column, read_twice)
    assert ops(fold_batch_norm(graph)) == ["conv", "mul", "mul"]


def test_padding_with_zeros_goes_into_a_convolution() -> None:
    b = Builder("net")
    x = b.input("x", (1, 3, 5, 5), "float32")
    weight = b.constant(floats(4, 3, 3, 3))
    padded = b.node(Pad(before=(0, 0, 1, 0), after=(0, 0, 0, 2), mode="constant", value=0.0), x)
    graph = b.graph(b.node(CONV, padded, weight))
    assert ops(fold_padding(graph)) == ["conv"]
    same(graph, fold_padding(graph))
    filled = b.node(Pad(before=(0, 0, 1, 0), after=(0, 0, 0, 2), mode="constant", value=1.0), x)
    assert ops(fold_padding(b.graph(b.node(CONV, filled, weight)))) == ["pad", "conv"]
