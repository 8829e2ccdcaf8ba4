"""A network compiled to a file, and what there is to say about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dovetail.compiler.target import Target
from dovetail.files import InputError
from dovetail.isa.module import Check
from dovetail.isa.module_file import save
from dovetail.isa.progress import Progress, silent
from dovetail.module_job import instruction_count
from dovetail.network import Network
from dovetail.network_job import NetworkJob, computes_in_float, prepare_network, reference
from dovetail.runtime.samples import digest, random_inputs


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A module in a file.

    Attributes
    ----------
    workload, module:
        What was compiled, and the file.
    config, fingerprint:
        The machine's; None where nothing runs on the accelerator.
    layers, layers_on_accelerator:
        Operators, as the table of a run shows them.
    macs, accelerated_macs:
        As of `NetworkResult`.
    weight_bytes:
        Of all constants, as they are laid out.
    instructions:
        Of all programs.
    dram_bytes, host_bytes:
        Of the accelerator's and the host's memory that a run takes.
    file_bytes:
        Of the module.
    checked:
        It says what its outputs must be, so that ``dovetail run`` can compare.
    seconds:
        The compiler's work on the imported model.
    """

    workload: str
    module: str
    config: str | None
    fingerprint: str | None
    layers: int
    layers_on_accelerator: int
    macs: int
    accelerated_macs: int
    weight_bytes: int
    instructions: int
    dram_bytes: int
    host_bytes: int
    file_bytes: int
    checked: bool
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; its keys are the attributes."""
        return asdict(self)


def compile_network(
    network: Network,
    path: Path,
    target: Target,
    *,
    config_name: str = "default",
    seed: int = 0,
    progress: Progress = silent,
) -> Compiled:
    """Compile a network to a module file.

    Parameters
    ----------
    config_name:
        What the machine is called.
    seed:
        Of the inputs for which the file says what comes out.

    Raises
    ------
    CompileError, ModuleError:
        It cannot be compiled, or the file cannot be written.
    """
    job = prepare_network(network, target, config_name=config_name, inputs={}, progress=progress)
    plan = replace(job.plan, check=_check(job, seed, progress))
    progress(f"writing {path}", 0, 0)
    save(path, plan, job.library, job.params)
    return Compiled(
        workload=network.name,
        module=str(path),
        config=None if plan.config is None else config_name,
        fingerprint=None if plan.config is None else f"{plan.config.fingerprint:016x}",
        layers=len(plan.layers),
        layers_on_accelerator=sum(layer.on_accelerator for layer in plan.layers),
        macs=sum(layer.macs for layer in plan.layers),
        accelerated_macs=sum(layer.macs for layer in plan.layers if layer.on_accelerator),
        weight_bytes=sum(constant.nbytes for constant in plan.constants),
        instructions=instruction_count(job.library),
        dram_bytes=plan.dram_bytes,
        host_bytes=plan.host_bytes,
        file_bytes=path.stat().st_size,
        checked=plan.check is not None,
        seconds=job.compile_seconds,
    )


def _check(job: NetworkJob, seed: int, progress: Progress) -> Check | None:
    """What NumPy gives, where every machine gives the same and the operators can take random inputs."""
    if computes_in_float(job.graph):
        return None
    progress(f"{job.network.name}: reference", 0, 0)
    try:
        values = reference(job, random_inputs(job.plan.inputs, seed))
    except InputError:
        return None
    return Check(seed, tuple(digest(values[tensor.name]) for tensor in job.plan.outputs))
