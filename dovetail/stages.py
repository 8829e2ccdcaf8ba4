"""What a workload looks like at each stage of its compilation, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dovetail.compiler.codegen.vdla.module import compile_program
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.ops.cpu import build
from dovetail.compiler.pipeline import accelerator_stages, cpu_stages, run_stages
from dovetail.cpu_job import cpu_operator
from dovetail.isa.config import Config
from dovetail.isa.disassembler import disassemble
from dovetail.job import accelerator_operator
from dovetail.result import CPU
from dovetail.workload import WorkloadError, parse_workload, random_data

SCHEDULE, LOWERED, ASSEMBLY, IR = "schedule", "lowered", "asm", "llvm"


def stage_names(device: str) -> tuple[str, ...]:
    """The stages in the order of the work."""
    if device == CPU:
        return (SCHEDULE, LOWERED, *cpu_stages(), IR, ASSEMBLY)
    return (SCHEDULE, LOWERED, *accelerator_stages(), ASSEMBLY)


def show_stage(
    workload: str, stage: str, device: str, config: Config, *, latency: int = 64, bytes_per_cycle: int = 16
) -> str:
    """The schedule, the loop program or the assembly of a workload.

    Raises
    ------
    WorkloadError:
        There is no such workload or stage, or the workload does not fit the machine.
    """
    names = stage_names(device)
    if stage not in names:
        raise WorkloadError(f"no stage {stage!r} for {device}; the stages are {', '.join(names)}")
    parsed = parse_workload(workload)
    shown: Mapping[str, Callable[[], str]]
    if device == CPU:
        operator = cpu_operator(parsed, random_data(parsed.shape))
        schedule, args, stages = operator.schedule, operator.args, cpu_stages()
        module = build(operator).module
        shown = {IR: lambda: module.ir, ASSEMBLY: lambda: module.assembly}
    else:
        chosen = accelerator_operator(parsed, config, latency=latency, bytes_per_cycle=bytes_per_cycle)
        schedule, args, stages = chosen.schedule, chosen.args, accelerator_stages()
        shown = {}
    if stage == SCHEDULE:
        return str(schedule)
    if stage in shown:
        return shown[stage]()
    programs = {LOWERED: lower(schedule, args, "main")}
    programs |= run_stages(programs[LOWERED], stages)
    if stage in programs:
        return str(programs[stage])
    *_, last = programs.values()
    return disassemble(compile_program(last, config).program)
