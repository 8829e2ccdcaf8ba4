"""LLVM's optimiser and assembler."""

from __future__ import annotations

import llvmlite.binding as llvm

from .errors import CodegenError
from .target import CpuTarget

OPTIONS = {
    "loop_vectorization": True,
    "slp_vectorization": False,
    "loop_unrolling": False,
    "loop_interleaving": False,
}
"""Schedules say which loops are worth unrolling. Where LLVM unrolls more, accumulators no longer fit the registers."""


def optimise(text: str, target: CpuTarget) -> llvm.ModuleRef:
    """The parsed and optimised module.

    Raises
    ------
    CodegenError:
        `text` is no valid module.
    """
    machine = target.machine()
    try:
        module = llvm.parse_assembly(text)
        module.triple = target.triple
        module.data_layout = str(machine.target_data)
        module.verify()
    except RuntimeError as error:
        raise CodegenError(f"LLVM refuses the generated code: {str(error).strip().splitlines()[0]}") from error
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    for option, value in OPTIONS.items():
        setattr(tuning, option, value)
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    return module


def assemble(text: str, target: CpuTarget) -> bytes:
    """The object file of a module."""
    return bytes(target.machine().emit_object(optimise(text, target)))


def assembly(text: str, target: CpuTarget) -> str:
    """The same as assembly text."""
    return str(target.machine().emit_assembly(optimise(text, target)))
