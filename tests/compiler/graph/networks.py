"""Random small networks whose tensors are nearly all of one type, so that any operator may follow any other."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail.compiler.codegen.vdla.layouts import Lane, Layout
from dovetail.compiler.graph.graph import Builder, Graph, Value
from dovetail.compiler.graph.ops.elementwise import Unary
from dovetail.compiler.graph.ops.movement import Concat, Reshape, Slice, Transpose
from dovetail.compiler.graph.ops.quantised import (
    Dequantize,
    QAdd,
    QAvgPool2d,
    QConv2d,
    QMatmul,
    QMaxPool2d,
    QRescale,
    Quantize,
    Requantise,
)
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.passes.lay_out import Forms, lay_out
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops.arrangement import channels_first, straight
from dovetail.compiler.ops.scales import Output, Scale

SHAPE = (2, 5, 4, 4)
ROWS = (2, 80)
KEEP = {"kernel": (3, 3), "pads": (1, 1, 1, 1)}
HALF, QUARTER = Scale(zero_point=3, multiplier=1, shift=1), Scale(zero_point=-7, multiplier=-3, shift=2)


class Network(Builder):
    """A builder with steps that take images [2, 5, 4, 4] of int8 and give one."""

    def __init__(self, seed: int) -> None:
        super().__init__("network")
        self.rng = np.random.default_rng(seed)

    def int8(self, *shape: int) -> NDArray[np.int8]:
        return self.rng.integers(-128, 128, shape).astype(np.int8)

    def image(self) -> Value:
        """A constant."""
        return self.constant(self.int8(*SHAPE), "image")

    def scales(self, channels: int, shift: int = 37) -> list[Value]:
        """Bias, multiplier and shift that put most sums within int8."""
        arrays = (
            self.rng.integers(-2000, 2000, channels),
            self.rng.integers(1 << 29, 1 << 31, channels),
            np.full(channels, shift),
        )
        return [self.constant(array.astype(np.int32), "scale") for array in arrays]

    def conv(self, one: Value, other: Value) -> Value:
        op = QConv2d(pads=(1, 1, 1, 1), zero_point=-4, output=Output(zero_point=-3))
        return self.node(op, one, self.constant(self.int8(5, 5, 3, 3)), *self.scales(5))

    def residual(self, one: Value, other: Value) -> Value:
        op = QConv2d(output=Output(fraction=1, bounds=(0, 127)), residual=HALF)
        return self.node(op, one, self.constant(self.int8(5, 5, 1, 1)), *self.scales(5), other)

    def depthwise(self, one: Value, other: Value) -> Value:
        op = QConv2d(pads=(1, 1, 1, 1), groups=5, output=Output())
        return self.node(op, one, self.constant(self.int8(5, 1, 3, 3)), *self.scales(5))

    def sums(self, one: Value, other: Value) -> Value:
        """A product and its requantisation apart."""
        raw = self.node(QConv2d(), one, self.constant(self.int8(5, 5, 1, 1)))
        return self.node(Requantise(axis=1, output=Output()), raw, *self.scales(5))

    def dense(self, one: Value, other: Value) -> Value:
        rows = self.node(Reshape(shape=ROWS), one)
        product = self.node(QMatmul(output=Output()), rows, self.constant(self.int8(80, 80)), *self.scales(80, 39))
        return self.node(Reshape(shape=SHAPE), product)

    def product(self, one: Value, other: Value) -> Value:
        """Of two tensors, neither of which needs to be constant."""
        return self.node(QMatmul(output=Output()), one, other, *self.scales(4, 36))

    def greatest(self, one: Value, other: Value) -> Value:
        return self.node(QMaxPool2d(**KEEP), one)

    def average(self, one: Value, other: Value) -> Value:
        scale = Scale(zero_point=9 * 2, multiplier=7, shift=6)
        return self.node(QAvgPool2d(**KEEP, zero_point=2, scale=scale, output=Output(zero_point=1)), one)

    def add(self, one: Value, other: Value) -> Value:
        return self.node(QAdd(one=HALF, other=QUARTER, output=Output(zero_point=5)), one, other)

    def rescale(self, one: Value, other: Value) -> Value:
        return self.node(QRescale(scale=QUARTER, output=Output(bounds=(-100, 90))), one)

    def turn(self, one: Value, other: Value) -> Value:
        return self.node(Transpose(order=(0, 1, 3, 2)), one)

    def join(self, one: Value, other: Value) -> Value:
        """The second half of both."""
        halves = [
            self.node(Slice(starts=(1, 0, 0, 0), sizes=(1, 5, 4, 4), steps=(1, 1, 1, 1)), x) for x in (one, other)
        ]
        return self.node(Concat(axis=0), *halves)

    def empty(self, one: Value, other: Value) -> Value:
        """All of one tensor, and nothing of another."""
        nothing = self.node(Slice(starts=(0, 0, 0, 0), sizes=(2, 5, 0, 4), steps=(1, 1, 1, 1)), other)
        return self.node(Concat(axis=2), self.node(QRescale(), nothing), one)

    def floats(self, one: Value, other: Value) -> Value:
        zero, small, large = (self.constant(np.array(array)) for array in (np.int8(3), np.float32(0.5), np.float32(2)))
        values = self.node(Unary(function="relu"), self.node(Dequantize(), one, small, zero))
        return self.node(Quantize(), values, large, zero)


Step = Callable[[Network, Value, Value], Value]
ACCELERATED: tuple[Step, ...] = (
    Network.conv,
    Network.residual,
    Network.depthwise,
    Network.sums,
    Network.dense,
    Network.product,
    Network.greatest,
    Network.average,
    Network.add,
    Network.rescale,
)
ON_CPU: tuple[Step, ...] = (Network.turn, Network.join, Network.empty, Network.floats)


@st.composite
def networks(draw: st.DrawFn, most: int = 8) -> Graph:
    """Graphs of up to `most` steps, where anything may be an output: inputs, constants, and the same value twice."""
    network = Network(draw(st.integers(0, 999)))
    values = [network.input("x", SHAPE, "int8"), network.input("y", SHAPE, "int8"), network.image()]
    values = draw(st.permutations(values))
    for step in draw(st.lists(st.sampled_from((*ACCELERATED, *ACCELERATED, *ON_CPU)), min_size=1, max_size=most)):
        one, other = (draw(st.sampled_from((values[-1], values[-1], *values))) for _ in range(2))
        values.append(step(network, one, other))
    flat = network.node(Reshape(shape=ROWS), draw(st.sampled_from(values)))
    outputs = draw(st.lists(st.sampled_from((*values, flat)), max_size=3))
    return network.graph(values[-1], *outputs)


def data_for(graph: Graph, seed: int) -> dict[str, NDArray[Any]]:
    """Inputs, of the whole range of int8."""
    rng = np.random.default_rng(seed)
    return {value.name: rng.integers(-128, 128, value.type.shape).astype(value.type.numpy) for value in graph.inputs}


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[Graph, dict[str, Forms], Graph]:
    """A network, forms for some of its nodes as if kernels had chosen them, and what `lay_out` makes of both."""
    graph = draw(networks())
    places = [node for node in graph.nodes if not isinstance(node.op, Reshape) and node.output.type.rank == len(SHAPE)]
    chosen = draw(st.lists(st.sampled_from(places), unique_by=lambda node: node.name)) if places else []
    forms = {}
    for node in chosen:
        running = [value not in graph.constants for value in node.inputs]
        forms[node.name] = Forms(
            inputs=tuple(
                draw(blocks(value.type)) if runs else None for value, runs in zip(node.inputs, running, strict=True)
            ),
            zeros=tuple(runs and draw(st.booleans()) for runs in running),
            output=draw(blocks(node.output.type)),
        )
    return graph, forms, lay_out(graph, forms)


def blocks(kind: TensorType) -> st.SearchStrategy[Packing]:
    """A few ways to lay out a tensor, some of which have the same bytes: entries of 4 channels, or single elements."""
    shape = kind.shape
    flat = (*shape[:2], prod(shape[2:])) if kind.rank > 2 else shape
    filled = (*flat[:1], -(-flat[1] // 4) * 4, *flat[2:])
    in_fours = Lane(1, 4)
    ways = [
        (straight(shape, shape), ()),
        (straight(flat, flat), ()),
        (straight(flat, filled), (in_fours,)),
        (straight(shape, shape), (in_fours,)),
        (channels_first((*flat, 1)[:3], 2, 4), (Lane(0, 2), in_fours)),
    ]
    return st.sampled_from(
        [
            Packing(type=kind, arrangement=arrangement, layout=Layout(arrangement.shape, kind.dtype, lanes))
            for arrangement, lanes in ways
        ]
    )
