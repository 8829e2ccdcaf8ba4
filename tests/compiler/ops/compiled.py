"""Operators as programs for the machine, run on the functional simulator."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from dovetail.compiler.codegen.vdla import VdlaModule, compile_program
from dovetail.compiler.lower import lower
from dovetail.compiler.ops import Operator
from dovetail.compiler.pipeline import accelerator_stages, run_all
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from tests.compiler.codegen.vdla.programs import run


def compiled(operator: Operator, config: Config, base: int = AXI_BOUNDARY_BYTES) -> VdlaModule:
    program = lower(operator.schedule, operator.args, operator.name)
    return compile_program(run_all(program, accelerator_stages()), config, base=base)


def result(operator: Operator, module: VdlaModule, *inputs: NDArray[Any]) -> NDArray[Any]:
    """The operator's output for `inputs` as the user knows them; the machine holds noise before."""
    names = [argument.name for argument in module.arguments if argument not in module.outputs]
    outputs = run(module, dict(zip(names, operator.prepare(inputs), strict=True)))
    return operator.finish(outputs[module.outputs[0].name])
