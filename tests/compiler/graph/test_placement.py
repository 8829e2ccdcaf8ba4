"""Where operators run: with their neighbours, and a reason for each that stays on the CPU."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Builder, Value
from dovetail.compiler.graph.ops.elementwise import Cast
from dovetail.compiler.graph.ops.linear import MatMul
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.ops.quantised import Dequantize, QRescale
from dovetail.compiler.graph.placement import ALONE, NOT_INT8, reasons_for_cpu
from dovetail.isa.config import load_config
from tests.compiler.graph.networks import SHAPE, Network

CONFIG = load_config("default")


def rescaled(network: Network, value: Value, name: str) -> Value:
    return network.node(QRescale(), value, name=name)


def test_operators_without_products_go_where_a_neighbour_is() -> None:
    network = Network(0)
    x = network.input("x", SHAPE, "int8")
    before = rescaled(network, network.node(Reshape(shape=(2, 80)), rescaled(network, x, "first")), "before")
    conv = network.conv(network.node(Reshape(shape=SHAPE), before), x)
    last = rescaled(network, rescaled(network, conv, "after"), "last")
    far = rescaled(network, network.turn(last, x), "far")
    assert reasons_for_cpu(network.graph(far), CONFIG) == {
        "reshape": "the accelerator has no reshape",
        "reshape_1": "the accelerator has no reshape",
        "transpose": "the accelerator has no transpose",
        "far": ALONE,
    }


def test_operators_without_products_do_not_draw_one_another_there() -> None:
    network = Network(0)
    x = network.input("x", SHAPE, "int8")
    last = rescaled(network, rescaled(network, x, "first"), "last")
    assert reasons_for_cpu(network.graph(last), CONFIG) == {"first": ALONE, "last": ALONE}


def test_products_in_other_types_say_what_the_accelerator_would_take() -> None:
    builder = Builder("products")
    x = builder.input("x", (2, 4), "int8")
    scale, zero = builder.constant(np.float32(0.1)), builder.constant(np.int8(3))
    floats = builder.node(
        MatMul(), builder.node(Dequantize(), x, scale, zero), builder.constant(np.ones((4, 3), np.float32))
    )
    wide = builder.node(Cast(dtype="int32"), x)
    integers = builder.node(MatMul(), wide, builder.constant(np.ones((4, 3), np.int32)))
    reasons = reasons_for_cpu(builder.graph(floats, integers), CONFIG)
    assert reasons[floats.name] == NOT_INT8
    assert reasons[integers.name] == "products of int32; the accelerator multiplies int8"
