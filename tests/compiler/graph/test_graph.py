"""Graphs as they are put together, printed, bound to weights, verified and interpreted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Builder, Graph, Node, Value
from dovetail.compiler.graph.interpreter import interpret, outputs
from dovetail.compiler.graph.ops.elementwise import Binary, Clip, Unary
from dovetail.compiler.graph.ops.movement import Concat, Pad, Transpose
from dovetail.compiler.graph.ops.quantised import QAdd, QConv2d, Quantize
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.graph.verifier import verify
from dovetail.compiler.ops.scales import Output, Scale

X = np.float32([[1, -2, 3], [-4, 5, -6]])


def small() -> Graph:
    """``y = relu(x + w) * 2`` with a parameter, a constant, and an output in the middle."""
    b = Builder("small")
    x, w = b.input("x", (2, 3), "float32"), b.parameter("w", np.float32([1, 2, 3]))
    total = b.node(Binary(function="add"), x, w, name="total", origin=["Add_0"])
    y = b.node(
        Binary(function="mul"), b.node(Unary(function="relu"), total), b.constant(np.float32(2), "two"), name="y"
    )
    return b.graph(y, total)


BOUND = small().bind({"w": np.float32([1, 2, 3])})


def test_names_are_unique_and_types_inferred() -> None:
    b = Builder("net")
    values = [b.input("x", (2, 3), "int8")]
    values += [b.node(Transpose(order=(1, 0)), values[-1], name=name) for name in ("", "", "x", "x_1")]
    assert [str(value) for value in values] == ["%x", "%transpose", "%transpose_1", "%x_1", "%x_1_1"]
    assert [value.type.shape for value in values] == [(2, 3), *[(3, 2)] * 4]


def test_a_graph_is_printed_a_line_a_node() -> None:
    assert (
        str(small())
        == """\
graph small(%x: float32[2, 3]) {
    %w: float32[3] = parameter
    %two: float32[] = 2.
    %total: float32[2, 3] = add(%x, %w)
    %relu: float32[2, 3] = relu(%total)
    %y: float32[2, 3] = mul(%relu, %two)
    return %y, %total
}"""
    )


def test_attributes_are_printed_unless_they_are_as_usual() -> None:
    b = Builder("net")
    x = b.input("x", (1, 4, 5, 5), "int8")
    weight = b.constant(np.arange(-72, 72, dtype=np.int8).reshape(4, 4, 3, 3), "weight")
    scales = [b.constant(np.full(4, value, np.int32), "scale") for value in (0, 1 << 30, 36)]
    conv = QConv2d(strides=(2, 2), output=Output(bounds=(0, 127)), residual=Scale())
    y = b.node(conv, x, weight, *scales, b.constant(np.zeros((1, 4, 2, 2), np.int8), "residual"), name="y")
    z = b.node(QAdd(other=Scale(zero_point=-3, shift=2)), y, y, name="z")
    b.node(Pad(before=(0,) * 4, after=(1,) * 4, mode="edge"), z, name="padded")
    assert str(b.graph(z)).splitlines()[1:-2] == [
        "    %weight: int8[4, 4, 3, 3] = constant, -72 to 71",
        "    %scale: int32[4] = [0, 0, 0, 0]",
        "    %scale_1: int32[4] = [1073741824, 1073741824, 1073741824, 1073741824]",
        "    %scale_2: int32[4] = [36, 36, 36, 36]",
        "    %residual: int8[1, 4, 2, 2] = constant, 0 to 0",
        "    %y: int8[1, 4, 2, 2] = qconv2d(%x, %weight, %scale, %scale_1, %scale_2, %residual;"
        " strides=(2, 2), output=Output(bounds=(0, 127)), residual=Scale())",
        "    %z: int8[1, 4, 2, 2] = qadd(%y, %y; other=Scale(zero_point=-3, shift=2))",
        "    %padded: int8[2, 5, 3, 3] = pad(%z; before=(0, 0, 0, 0), after=(1, 1, 1, 1), mode='edge')",
    ]


def test_the_interpreter_gives_every_value() -> None:
    known = interpret(BOUND, {"x": X})
    np.testing.assert_array_equal(known["total"], [[2, 0, 6], [-3, 7, -3]])
    np.testing.assert_array_equal(known["y"], [[4, 0, 12], [0, 14, 0]])
    for given, value in zip(outputs(BOUND, {"x": X}), BOUND.outputs, strict=True):
        np.testing.assert_array_equal(given, known[value.name])


def test_producers_and_consumers() -> None:
    b = Builder("net")
    x = b.input("x", (2,), "float32")
    twice = b.node(Binary(function="mul"), x, x, name="twice")
    last = b.node(Binary(function="add"), twice, x, name="last")
    graph = b.graph(last)
    assert [node.name for node in graph.consumers[x]] == ["twice", "last"]
    assert graph.consumers[last] == ()
    assert graph.producers[twice].inputs == (x, x)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: small().bind({}), "parameter w (float32[3]) of small is missing"),
        (lambda: small().bind({"w": X}), "parameter w is float32[2, 3]; small takes float32[3]"),
        (lambda: small().bind({"v": X}), "small has no parameter 'v'; it has w"),
        (lambda: BOUND.bind({"v": X}), "small has no parameter 'v'; it has none"),
        (lambda: interpret(small(), {"x": X}), "small has unbound parameters, w first; use Graph.bind"),
        (lambda: interpret(BOUND, {}), "input x (float32[2, 3]) of small is missing"),
        (lambda: interpret(BOUND, {"x": X[0]}), "input x is float32[3]; small takes float32[2, 3]"),
        (lambda: TensorType((2, -1), "int8"), "extents are at least 0, not [2, -1]"),
        (lambda: Builder("net").node(Concat(axis=0)), "concat takes at least 1 operand, not 0"),
        (lambda: Builder("net").node(Clip()), "clip takes 1 operand, not 0"),
        (lambda: Builder("net").node(QConv2d()), "qconv2d takes 2 to 6 operands, not 0"),
    ],
)
def test_misuse_is_one_clear_line(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(GraphError) as error:
        use()
    assert str(error.value) == message


def test_there_are_only_types_that_the_compiler_knows() -> None:
    with pytest.raises(GraphError, match="complex64"):
        TensorType((2,), "complex64")


def broken(place: int, **changes: Any) -> Graph:
    nodes = list(BOUND.nodes)
    nodes[place] = replace(nodes[place], **changes)
    return replace(BOUND, nodes=tuple(nodes))


FLOAT, OTHER = TensorType((2, 3), "float32"), TensorType((2, 3), "int8")


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            broken(0, output=Value("x", FLOAT)),
            "output of a node %x is there already; every value has a name of its own",
        ),
        (replace(BOUND, inputs=BOUND.inputs * 2), "input %x is there already; every value has a name of its own"),
        (
            replace(BOUND, constants={Value("two", FLOAT): np.float32(2)}),
            "constant %two is declared float32[2, 3], but is float32[]",
        ),
        (
            replace(BOUND, nodes=BOUND.nodes[1:]),
            "%relu reads %total (float32[2, 3]), which is not known before it",
        ),
        (
            replace(BOUND, nodes=BOUND.nodes[::-1]),
            "%y reads %relu (float32[2, 3]), which is not known before it",
        ),
        (
            broken(1, inputs=(Value("total", OTHER),)),
            "%relu reads %total (int8[2, 3]), which is float32[2, 3] there",
        ),
        (broken(1, inputs=()), "%relu: relu takes 1 operand, not 0"),
        (broken(2, output=Value("y", OTHER)), "%y is declared int8[2, 3]; its operator gives float32[2, 3]"),
        (
            broken(1, op=Quantize(), inputs=BOUND.inputs * 3),
            "%relu: quantize: scale must be float32[] and the zero point of the same shape, "
            "not float32[2, 3] and float32[2, 3]",
        ),
        (replace(BOUND, outputs=(Value("z", FLOAT),)), "output %z (float32[2, 3]) is not computed"),
        (replace(BOUND, outputs=(Value("y", OTHER),)), "output %y (int8[2, 3]) is not computed"),
    ],
)
def test_the_verifier_says_which_rule_is_broken_where(graph: Graph, message: str) -> None:
    with pytest.raises(GraphError) as error:
        verify(graph)
    assert str(error.value) == f"small: {message}"


def test_the_verifier_gives_back_what_is_right() -> None:
    graph = small()
    assert verify(graph) is graph
    assert isinstance(verify(BOUND).nodes[0], Node)
