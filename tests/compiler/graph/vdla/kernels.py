"""Nodes on the accelerator: compiled, run on a device, and unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail import runtime
from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.graph.vdla.kernel import VdlaKernel, prepare
from dovetail.compiler.ops import Memory
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.runtime.device import RunResult

Array = NDArray[Any]
ALIGNMENT = 64
"""Bytes that operands begin on."""
NOISE = 0x5A
"""What DRAM holds beside the operands."""


def node_of(op: Op, arrays: Sequence[Array], running: Sequence[int]) -> tuple[Node, dict[Value, Array]]:
    """A node for `op` of `arrays`, and its constants: all but those numbered in `running`."""
    inputs = tuple(Value(f"x{number}", TensorType.of(array)) for number, array in enumerate(arrays))
    node = Node(op, inputs, Value("y", op.infer(*(value.type for value in inputs))))
    return node, {inputs[place]: array for place, array in enumerate(arrays) if place not in running}


def kernel_of(op: Op, arrays: Sequence[Array], running: Sequence[int], config: Config) -> VdlaKernel:
    """The kernel of a node as `node_of` makes it."""
    return prepare(*node_of(op, arrays, running), config, Memory())


def run_on(machine: runtime.Device, kernel: VdlaKernel, arrays: Sequence[Array]) -> tuple[Array, RunResult]:
    """The node's output, and how the run went."""
    addresses, at = {}, AXI_BOUNDARY_BYTES
    sizes = {operand.argument: operand.form.packed.nbytes for operand in kernel.operands}
    for name, size in (sizes | {kernel.result: kernel.output.packed.nbytes}).items():
        addresses[name] = at
        at += -(-size // ALIGNMENT) * ALIGNMENT
    module = kernel.compile(addresses, at)
    machine.write(0, np.full(module.program.dram_bytes, NOISE, np.uint8))
    for segment in kernel.segments(module):
        machine.write(segment.address, segment.data)
    for operand in kernel.operands:
        machine.write(addresses[operand.argument], operand.form.pack(arrays[operand.place]))
    result = machine.run(module.program)
    packed = kernel.output.packed
    data = machine.read(addresses[kernel.result], packed.nbytes)
    return kernel.output.unpack(np.frombuffer(data, packed.numpy).reshape(packed.shape)), result
