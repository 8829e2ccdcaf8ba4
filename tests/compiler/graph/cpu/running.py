"""Single operators as graphs of one node, and graphs compiled node by node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.codegen.llvm.target import host
from dovetail.compiler.graph.cpu import CpuKernel, compile_node
from dovetail.compiler.graph.graph import Builder, Graph
from dovetail.compiler.graph.op import Op


def kernel_of(op: Op, arrays: Sequence[NDArray], constants: Sequence[int] = (), threads: int = 1) -> CpuKernel:
    """The kernel of `op` for operands like `arrays`, some of which are constant."""
    builder = Builder("one")
    operands = [
        builder.constant(array) if place in constants else builder.input(f"x{place}", array.shape, array.dtype.name)
        for place, array in enumerate(arrays)
    ]
    graph = builder.graph(builder.node(op, *operands))
    return compile_node(graph.nodes[0], graph.constants, host(), threads)


def computed(op: Op, arrays: Sequence[NDArray], constants: Sequence[int] = (), threads: int = 1) -> NDArray:
    """The output of `op` as native code."""
    kernel = kernel_of(op, arrays, constants, threads)
    given = {f"x{place}": array for place, array in enumerate(arrays)}
    return kernel(*(given[value.name] for value in kernel.inputs))


def run(graph: Graph, inputs: dict[str, NDArray], threads: int = 1) -> list[NDArray]:
    """The outputs of a graph, each of whose nodes is compiled."""
    known = {value.name: array for value, array in graph.constants.items()} | inputs
    for node in graph.nodes:
        kernel = compile_node(node, graph.constants, host(), threads)
        known[node.name] = kernel(*(known[value.name] for value in kernel.inputs))
    return [known[value.name] for value in graph.outputs]


def random_array(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> NDArray:
    """Numbers of a type, for floats around 0."""
    if dtype.startswith("float"):
        return rng.standard_normal(tuple(shape)).astype(dtype)
    low, high = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    return rng.integers(max(low, -(2**31)), min(high, 2**31), tuple(shape)).astype(dtype)
