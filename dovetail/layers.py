"""The layers of ResNet-18 on one machine, with latency hiding and without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dovetail import runtime
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.job import Job, prepare_job, run_job_on
from dovetail.result import Result
from dovetail.runtime.device import memory_for
from dovetail.workload import RESNET18

NOT_TOTALLED = ("C1",)
"""The document's figures, and those of all who compare with it, are of C2 to C12."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """Several layers as one: `utilization` is all their products over all their cycles times the array's peak."""

    macs: int
    cycles: int | None
    utilization: float | None


@dataclass(frozen=True, kw_only=True)
class LayersResult:
    """What `measure_layers` found.

    Attributes
    ----------
    layers, without_latency_hiding:
        A result a layer, in the same order; the second may be empty.
    """

    config: Config
    layers: tuple[Result, ...]
    without_latency_hiding: tuple[Result, ...]

    @property
    def bytes_per_cycle(self) -> int:
        """What memory and bus together move in a cycle."""
        memory = self.layers[0].memory.bytes_per_cycle
        return min(memory or self.config.bus_bytes, self.config.bus_bytes)

    @property
    def exact(self) -> bool:
        return all(result.exact for result in self.layers + self.without_latency_hiding)

    @property
    def total(self) -> Total:
        return total(self.config, self.layers)

    @property
    def total_without(self) -> Total | None:
        return total(self.config, self.without_latency_hiding) if self.without_latency_hiding else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        without = self.total_without
        return {
            "layers": [result.as_dict() for result in self.layers],
            "layers_without_latency_hiding": [result.as_dict() for result in self.without_latency_hiding],
            "total": asdict(self.total) | {"without_latency_hiding": asdict(without) if without else None},
        }


def total(config: Config, results: Sequence[Result]) -> Total:
    """C2 to C12 of `results` as one."""
    counted = [result for result in results if result.workload not in NOT_TOTALLED]
    macs = sum(result.macs for result in counted)
    cycles = [result.cycles for result in counted if result.cycles is not None]
    if len(cycles) < len(counted) or not cycles:
        return Total(macs=macs, cycles=None, utilization=None)
    return Total(macs=macs, cycles=sum(cycles), utilization=macs / (sum(cycles) * config.macs_per_cycle))


def measure_layers(
    config: Config,
    *,
    config_name: str,
    device: str = "rtl",
    names: Sequence[str] = tuple(RESNET18),
    hiding: tuple[bool, ...] = (True, False),
    seed: int = 0,
    port: str | None = None,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    timeout: float | None = None,
    progress: Progress = silent,
) -> LayersResult:
    """Run each layer on one device.

    Parameters
    ----------
    hiding:
        The runs: with latency hiding, without, or both. The first are `LayersResult.layers`.

    Raises
    ------
    WorkloadError, ConfigError, DeviceError:
        See `prepare_job`, `runtime.open` and `Device.run`.
    """

    def jobs(latency_hiding: bool) -> Iterator[Job]:
        for name in names:
            progress(f"{name}: compiling", 0, 0)
            yield prepare_job(
                name,
                config,
                config_name=config_name,
                latency_hiding=latency_hiding,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                seed=seed,
            )

    runs: list[tuple[Result, ...]] = []
    for latency_hiding in hiding:
        prepared = list(jobs(latency_hiding))
        with runtime.open(
            device,
            config=config,
            port=port,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            memory_bytes=max(memory_for(job.program) for job in prepared),
            timeout=timeout,
            progress=progress,
        ) as opened:
            runs.append(
                tuple(
                    run_job_on(opened, job, device, latency=latency, bytes_per_cycle=bytes_per_cycle, progress=progress)
                    for job in prepared
                )
            )
    return LayersResult(config=config, layers=runs[0], without_latency_hiding=runs[1] if len(runs) > 1 else ())
