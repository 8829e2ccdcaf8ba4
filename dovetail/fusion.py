"""What fusing operators brings: a network fused, and with each operator working from memory to memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dovetail import runtime
from dovetail.isa.progress import Progress, silent
from dovetail.network import Network, read_network
from dovetail.network_job import NetworkJob, prepare_network, run_network, target_of

CPU_RUNS = 3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A network in one form.

    Attributes
    ----------
    operators:
        How many there are, of those that run on the accelerator.
    cycles:
        Of the accelerator; None on a device without time.
    dram_bytes:
        That it reads and writes.
    cpu_seconds:
        Of a run on the CPU, with one thread.
    exact:
        The outputs equal NumPy's.
    """

    operators: int
    cycles: int | None
    dram_bytes: int
    cpu_seconds: float
    exact: bool


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """A network fused and unfused, on one machine and memory."""

    workload: str
    device: str
    config: str
    fused: Measured
    unfused: Measured

    @property
    def exact(self) -> bool:
        return self.fused.exact and self.unfused.exact

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; ratios are of the unfused form's figures to the fused form's."""
        cycles = None
        if self.fused.cycles and self.unfused.cycles:
            cycles = self.unfused.cycles / self.fused.cycles
        total = {
            "cycles_ratio": cycles,
            "bytes_ratio": self.unfused.dram_bytes / self.fused.dram_bytes,
            "cpu_ratio": self.unfused.cpu_seconds / self.fused.cpu_seconds,
        }
        return asdict(self) | {"total": total}


def measure_fusion(
    workload: str = "resnet18",
    *,
    device: str = "rtl",
    config: str = "default",
    latency: int = 64,
    bytes_per_cycle: int = 16,
    seed: int = 0,
    port: str | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> FusionResult:
    """Compile and run a network in both forms, on the accelerator and on the CPU.

    Raises
    ------
    CompileError, InputError, ConfigError, DeviceError:
        See `network.read_network`, `network_job.prepare_network` and `network_job.run_network`.
    """
    network = read_network(workload, progress=progress)
    target = target_of(device, config, latency=latency, bytes_per_cycle=bytes_per_cycle, threads=1)
    found = {}
    for fused in (True, False):
        job = prepare_network(network, target, config_name=config, seed=seed, fused=fused, progress=progress)
        result = run_network(job, device, port=port, timeout=timeout, progress=progress)
        found[fused] = Measured(
            operators=sum(layer.device == "accelerator" for layer in result.layers),
            cycles=result.cycles,
            dram_bytes=(result.dram_read_bytes or 0) + (result.dram_write_bytes or 0),
            cpu_seconds=_on_cpu(network, seed, fused, progress),
            exact=bool(result.exact),
        )
    return FusionResult(workload=workload, device=device, config=config, fused=found[True], unfused=found[False])


def _on_cpu(network: Network, seed: int, fused: bool, progress: Progress) -> float:
    """Seconds of a run on the CPU, the least of a few."""
    target = target_of("cpu", "", latency=0, bytes_per_cycle=0, threads=1)
    job: NetworkJob = prepare_network(network, target, seed=seed, fused=fused, progress=progress)
    with runtime.create(job.plan, job.library, "cpu") as module:
        module.set_input(**job.params, **job.inputs)
        return module.time_evaluator(number=1, repeat=CPU_RUNS).min
