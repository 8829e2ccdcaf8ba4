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
from dovetail.runtime.device import RunResult, memory_for

Array = NDArray[Any]
NOISE = 0x5A
"""What DRAM holds beside the operands."""


def kernel_of(op: Op, arrays: Sequence[Array], running: Sequence[int], config: Config) -> VdlaKernel:
    """The kernel of `op` of `arrays`, of which those numbered in `running` are there only when it runs."""
    inputs = tuple(Value(f"x{number}", TensorType.of(array)) for number, array in enumerate(arrays))
    node = Node(op, inputs, Value("y", op.infer(*(value.type for value in inputs))))
    constants = {inputs[place]: array for place, array in enumerate(arrays) if place not in running}
    return prepare(node, constants, config, Memory())


def run(
    kernel: VdlaKernel, arrays: Sequence[Array], device: str = "fsim", *, checks: bool = False
) -> tuple[Array, RunResult]:
    """The node's output, and how the run went."""
    addresses, at = {}, AXI_BOUNDARY_BYTES
    sizes = {operand.argument: operand.form.packed.nbytes for operand in kernel.operands}
    for name, size in (sizes | {kernel.result: kernel.output.packed.nbytes}).items():
        addresses[name] = at
        at += -(-size // 64) * 64
    module = kernel.compile(addresses, at)
    with runtime.open(device, config=kernel.config, memory_bytes=memory_for(module.program), checks=checks) as machine:
        machine.write(0, np.full(module.program.dram_bytes, NOISE, np.uint8))
        for segment in kernel.segments(module):
            machine.write(segment.address, segment.data)
        for operand in kernel.operands:
            machine.write(addresses[operand.argument], operand.form.pack(arrays[operand.place]))
        result = machine.run(module.program)
        packed = kernel.output.packed
        data = machine.read(addresses[kernel.result], packed.nbytes)
    return kernel.output.unpack(np.frombuffer(data, packed.numpy).reshape(packed.shape)), result
