"""Memory plans carried out byte by byte: every tensor is there whenever it is read, in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from dovetail.compiler.graph.graph import Builder, Graph, Value
from dovetail.compiler.graph.interpreter import interpret
from dovetail.compiler.graph.lifetimes import HOST_ALIGNMENT, plan_arenas, segments, storage
from dovetail.compiler.graph.ops.elementwise import Unary
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.passes.cluster import cluster
from dovetail.isa.config import AXI_BOUNDARY_BYTES
from tests.compiler.graph.networks import data_for, laid_out

Array = NDArray[Any]


class Machine:
    """The two memories of a plan, full of noise, and what runs on them."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.roots, self.arenas = graph, storage(graph), plan_arenas(graph)
        rng = np.random.default_rng(0)
        self.host = rng.integers(0, 256, self.arenas.host_bytes, np.uint8)
        self.dram = rng.integers(0, 256, self.arenas.dram_bytes, np.uint8)

    def view(self, value: Value, in_dram: bool) -> Array:
        memory, places = (self.dram, self.arenas.dram) if in_dram else (self.host, self.arenas.host)
        at = places[self.roots[value]]
        assert at + value.type.nbytes <= len(memory)
        return memory[at : at + value.type.nbytes].view(value.type.numpy).reshape(value.type.shape)

    def known(self, value: Value, in_dram: bool) -> Array:
        root = self.roots[value]
        if root in self.graph.constants:
            return self.graph.constants[root].reshape(value.type.shape)
        return self.view(value, in_dram)

    def run(self, inputs: dict[str, Array]) -> None:
        """Whatever is read must be what the interpreter gives for it."""
        right = dict(inputs) | interpret(self.graph, inputs)
        for value in self.graph.inputs:
            self.view(value, False)[...] = inputs[value.name]
        for part in segments(self.graph):
            for value in self.arenas.uploads[part.first]:
                self.view(value, True)[...] = self.view(value, False)
            for node in part.nodes:
                operands = [self.known(value, part.on_accelerator).copy() for value in node.inputs]
                for value, operand in zip(node.inputs, operands, strict=True):
                    np.testing.assert_array_equal(operand, right[value.name])
                if not isinstance(node.op, Reshape):
                    self.view(node.output, part.on_accelerator)[...] = node.op.evaluate(*operands)
            for value in self.arenas.downloads[part.first]:
                self.view(value, False)[...] = self.view(value, True)
        for value in (*self.graph.inputs, *self.graph.outputs):
            np.testing.assert_array_equal(self.known(value, False), right[value.name])


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_plans_can_be_carried_out_again_and_again(sample: tuple[Graph, object, Graph]) -> None:
    graph = cluster(sample[2])
    machine = Machine(graph)
    for seed in range(2):
        machine.run(data_for(graph, seed))
    assert all(at % HOST_ALIGNMENT == 0 for at in machine.arenas.host.values())
    assert all(at % AXI_BOUNDARY_BYTES == 0 < at for at in machine.arenas.dram.values())


def test_a_chain_needs_its_input_its_output_and_one_more() -> None:
    b = Builder("chain")
    x = value = b.input("x", (100,), "float32")
    for _ in range(6):
        value = b.node(Reshape(shape=(10, 10)), b.node(Unary(function="neg"), value))
        value = b.node(Reshape(shape=(100,)), value)
    graph = b.graph(value)
    arenas = plan_arenas(graph)
    assert len(arenas.host) == 1 + 6
    assert arenas.host_bytes == 2 * 448 + 400
    assert not arenas.dram
    assert arenas.host[x] not in [at for root, at in arenas.host.items() if root != x]


def test_a_constant_in_another_shape_is_not_planned() -> None:
    b = Builder("constants")
    constant = b.node(Reshape(shape=(4,)), b.constant(np.ones((2, 2), np.float32)))
    graph = b.graph(constant, b.node(Unary(function="neg"), constant, name="y"))
    arenas = plan_arenas(graph)
    assert [value.name for value in arenas.host] == ["y"]
