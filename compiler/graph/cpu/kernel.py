"""Nodes as compiled functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dovetail.compiler.codegen.llvm.module import LlvmModule, compile_program
from dovetail.compiler.codegen.llvm.target import CpuTarget
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.types import Array
from dovetail.compiler.lower import lower
from dovetail.compiler.ops.cpu import CpuOperator
from dovetail.compiler.pipeline import cpu_stages, run_all
from dovetail.compiler.te import Tensor

from .empty import without_empty
from .general import general
from .implementation import KEPT
from .tables import table
from .tuned import tuned

_PREFIX = "dovetail"
_DIGITS = 16


@dataclass(frozen=True, eq=False)
class CpuKernel:
    """A node's function.

    It takes the addresses of `inputs`, of `constants` and of the output, all row-major, then of a workspace
    (`LlvmModule.workspace_bytes`, 64-byte aligned) and of the thread pool.

    Attributes
    ----------
    name:
        The symbol, the same for kernels with the same code.
    inputs:
        Operands that are known at run time only, in the order of the call.
    constants:
        What each is, and its contents as the function reads them.
    """

    name: str
    module: LlvmModule
    inputs: tuple[Value, ...]
    constants: tuple[tuple[str, Array], ...]
    output: Value

    def __call__(self, *arrays: Array) -> Array:
        """The output for `inputs`, on this machine."""
        given = [*arrays, *(array for _, array in self.constants)]
        result = np.empty(self.output.type.shape, self.output.type.numpy)
        views = [
            array.reshape(param.extents)
            for array, param in zip([*given, result], self.module.program.params, strict=True)
        ]
        self.module(*views)
        return result


def compile_node(node: Node, constants: Mapping[Value, Array], target: CpuTarget, threads: int) -> CpuKernel:
    """The function of a node whose output is not empty; for an empty one there is nothing to call.

    Parameters
    ----------
    constants:
        What is known of the operands; others may be in it too.
    threads:
        That share the function's loops.

    Raises
    ------
    GraphError:
        The output is empty, or the operator cannot be computed on a CPU.
    """
    if not node.output.type.size:
        raise GraphError(f"{node.output} is {node.output.type}, which has no elements; leave {node.op.name} out")
    node, contents = without_empty(node, constants)
    known = {place: contents[value] for place, value in enumerate(node.inputs) if value in contents}
    chosen = tuned(node, known) or table(node, known)
    if chosen is None:
        chosen = general(node.op, tuple(value.type for value in node.inputs))
    taken = chosen.operator.args[: len(chosen.operands)]
    packed = chosen.operator.args[len(taken) : -1]
    order = sorted(range(len(taken)), key=lambda number: chosen.operands[number] in known)
    arguments = (*(taken[number] for number in order), *packed, chosen.operator.args[-1])
    module = _module(chosen.operator, arguments, target, threads)
    places = [chosen.operands[number] for number in order]
    fixed = [(node.inputs[place].name, known[place]) for place in places if place in known]
    fixed += [(f"{node.name}.{tensor.name}", array) for tensor, array in zip(packed, chosen.packed, strict=True)]
    return CpuKernel(
        name=module.name,
        module=module,
        inputs=tuple(node.inputs[place] for place in places if place not in known),
        constants=tuple((label, np.ascontiguousarray(array)) for label, array in fixed),
        output=node.output,
    )


@lru_cache(maxsize=KEPT)
def _module(operator: CpuOperator, arguments: tuple[Tensor, ...], target: CpuTarget, threads: int) -> LlvmModule:
    """The operator's function with its arguments in that order; its name tells the code."""
    lowered = lower(operator.schedule, arguments, name=_PREFIX)
    program = run_all(lowered, cpu_stages())
    text = compile_program(program, target=target, threads=threads).source
    digest = hashlib.sha256(f"{target.triple} {target.cpu} {target.features}\n{text}".encode()).hexdigest()
    named = replace(program, name=f"{_PREFIX}_{operator.name}_{digest[:_DIGITS]}")
    return compile_program(named, target=target, threads=threads)
