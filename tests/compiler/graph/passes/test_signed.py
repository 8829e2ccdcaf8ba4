"""uint8 as int8."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Builder, Graph
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.elementwise import Binary
from dovetail.compiler.graph.ops.movement import Transpose
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.compiler.graph.passes.signed import signed
from dovetail.compiler.graph.verifier import verify
from tests.compiler.graph.passes.quantised_graphs import Layers, ops

ALL = np.arange(256, dtype=np.uint8).reshape(2, 128)


def agree(graph: Graph, **inputs: np.ndarray) -> Graph:
    after = verify(signed(graph))
    for one, other in zip(outputs(graph, inputs), outputs(after, inputs), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    return after


def test_activations_keep_their_names() -> None:
    b = Layers("uint8")
    x = b.input("x", (2, 128), "float32")
    after = agree(b.graph(b.rounded(x, 0.1, 5, "x_q")), x=ALL.astype(np.float32) - 100)
    assert str(after).splitlines()[-4:] == [
        "    %x_q: int8[2, 128] = quantize(%x, %const, %const_1_int8)",
        "    %dequantize: float32[2, 128] = dequantize(%x_q, %const_2, %const_3_int8)",
        "    return %dequantize",
        "}",
    ]


def test_inputs_outputs_and_other_readers_stay_uint8() -> None:
    b = Builder("net")
    x = b.input("x", (2, 128), "uint8")
    scale, zero = b.constant(np.float32(0.1), "scale"), b.constant(np.uint8(100), "zero")
    turned = b.node(Transpose(order=(1, 0)), b.node(Transpose(order=(1, 0)), x))
    numbers = b.node(Dequantize(), turned, scale, zero)
    q = b.node(Quantize(), numbers, scale, zero, name="q")
    other = b.node(Binary(function="bitwise_and"), q, b.constant(np.uint8(15)))
    after = agree(b.graph(q, other, b.node(Dequantize(), q, scale, zero)), x=ALL)
    assert after.inputs == (x,) and [value.type.dtype for value in after.outputs] == ["uint8", "uint8", "float32"]
    assert all(node.inputs[0].type.dtype == "int8" for node in after.nodes if isinstance(node.op, Dequantize))


def test_constants_move_too() -> None:
    b = Builder("net")
    x = b.input("x", (2, 128), "float32")
    scale, zero = b.constant(np.float32(0.1)), b.constant(np.uint8(128))
    weight = b.node(Dequantize(), b.constant(ALL, "w"), scale, zero)
    after = agree(b.graph(b.node(Binary(function="mul"), x, weight)), x=np.ones((2, 128), np.float32))
    assert ops(after) == ["dequantize", "mul"]
    assert {array.dtype.name for array in after.constants.values()} == {"int8", "float32"}


def test_movements_that_nothing_dequantises_stay() -> None:
    b = Builder("net")
    graph = b.graph(b.node(Transpose(order=(1, 0)), b.input("x", (2, 128), "uint8")))
    assert str(agree(graph, x=ALL)) == str(graph)
