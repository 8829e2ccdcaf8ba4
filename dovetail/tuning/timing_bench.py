"""How near the timing simulator's estimate is to the RTL, and how much faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail import runtime
from dovetail.compiler.ops.blocked import blocked_conv2d
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.job import Job, prepare_job
from dovetail.result import TIMING
from dovetail.runtime.device import memory_for, program_address
from dovetail.sim.timing import TimingSimulator
from dovetail.workload import RESNET18

from .accelerator_trial import Machine, Trial, job_of

RUNS = 5


@dataclass(frozen=True, kw_only=True)
class LayerTiming:
    """A layer with the schedule that the compiler takes.

    Attributes
    ----------
    cycles, estimated:
        On the RTL, and by the estimate.
    rtl_seconds, estimate_seconds:
        Medians: a run of the RTL, and from the program's words to the estimate.
    """

    name: str
    cycles: int
    estimated: int
    rtl_seconds: float
    estimate_seconds: float

    @property
    def error(self) -> float:
        return self.estimated / self.cycles - 1

    @property
    def ratio(self) -> float:
        return self.rtl_seconds / self.estimate_seconds


@dataclass(frozen=True, kw_only=True)
class TimingResult:
    """What `measure_timing` found.

    Attributes
    ----------
    errors:
        Of random schedules, relative to the timing simulator's count.
    rank_correlation:
        Spearman's, of their cycles; None of fewer than two.
    """

    layers: tuple[LayerTiming, ...]
    errors: tuple[float, ...]
    rank_correlation: float | None

    @property
    def ratio(self) -> float:
        """All layers together."""
        return sum(one.rtl_seconds for one in self.layers) / sum(one.estimate_seconds for one in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "layers": [asdict(one) | {"error": one.error, "ratio": one.ratio} for one in self.layers],
            "total": {"ratio": self.ratio, "max_error": max(abs(one.error) for one in self.layers)},
            "schedules": {
                "count": len(self.errors),
                "max_error": max(map(abs, self.errors), default=None),
                "mean_error": statistics.fmean(map(abs, self.errors)) if self.errors else None,
                "rank_correlation": self.rank_correlation,
            },
        }


def measure_timing(
    config: Config,
    *,
    layers: Sequence[str] = tuple(RESNET18),
    schedules: int = 200,
    seed: int = 0,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    progress: Progress = silent,
) -> TimingResult:
    """Compare the estimate with the RTL on layers, and with the timing simulator on random schedules of them.

    Parameters
    ----------
    schedules:
        Drawn from the layers' spaces, in turn.

    Raises
    ------
    WorkloadError, ConfigError, DeviceError:
        See `prepare_job`, `runtime.open` and `Device.run`.
    """
    machine = Machine(config, TIMING, latency, bytes_per_cycle)
    simulator = TimingSimulator(config, latency=latency, bytes_per_cycle=bytes_per_cycle)
    timings = []
    for number, name in enumerate(layers):
        progress(f"{name}: RTL", number, len(layers))
        job = prepare_job(name, config, latency=latency, bytes_per_cycle=bytes_per_cycle)
        timings.append(_on_rtl(name, job, simulator, machine))
    rng = np.random.default_rng(seed)
    convolutions = {name: blocked_conv2d(RESNET18[name], config) for name in layers}
    spaces = {
        name: AcceleratorSpace(shape, config, Memory(latency, bytes_per_cycle)) for name, shape in convolutions.items()
    }
    counted, estimated = [], []
    for number in range(schedules):
        name = layers[number % len(layers)]
        progress(f"{name}: a random schedule", number, schedules)
        space = spaces[name]
        job = job_of(Trial(machine, space.shape, space.knobs(int(space.random(rng, 1)[0]))))
        counted.append(_count(job, simulator))
        estimated.append(_estimate(job, simulator))
    errors = tuple(one / other - 1 for one, other in zip(estimated, counted, strict=True))
    return TimingResult(
        layers=tuple(timings), errors=errors, rank_correlation=_spearman(counted, estimated) if schedules > 1 else None
    )


def _on_rtl(name: str, job: Job, simulator: TimingSimulator, machine: Machine) -> LayerTiming:
    size = memory_for(job.program)
    estimated = _estimate(job, simulator)
    with runtime.open(
        "rtl",
        config=machine.config,
        latency=machine.latency,
        bytes_per_cycle=machine.bytes_per_cycle,
        memory_bytes=size,
    ) as device:
        runs = [device.run(job.program) for _ in range(RUNS)]
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        _estimate(job, simulator)
        seconds.append(time.perf_counter() - begin)
    cycles = runs[0].cycles
    assert cycles is not None
    return LayerTiming(
        name=name,
        cycles=cycles,
        estimated=estimated,
        rtl_seconds=statistics.median(run.seconds for run in runs),
        estimate_seconds=statistics.median(seconds),
    )


def _address(job: Job) -> int:
    return program_address(memory_for(job.program), len(job.program.encode()))


def _estimate(job: Job, simulator: TimingSimulator) -> int:
    return simulator.estimate(job.program.encode(), address=_address(job)).cycles


def _count(job: Job, simulator: TimingSimulator) -> int:
    memory = np.zeros(memory_for(job.program), np.uint8)
    for segment in job.program.segments:
        memory[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    return simulator.predict(job.program.encode(), memory, address=_address(job)).cycles


def _spearman(one: Sequence[int], other: Sequence[int]) -> float:
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Sequence[int]) -> NDArray[np.float64]:
    """Equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
