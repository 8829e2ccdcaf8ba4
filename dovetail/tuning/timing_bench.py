"""The timing simulator beside the RTL: its count is to be the RTL's, its estimate near that, and how much faster."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from dovetail.runtime.device import RunResult, memory_for, program_address
from dovetail.sim.timing import TimingSimulator
from dovetail.workload import RESNET18

from .accelerator_trial import Machine, Trial, job_of

RUNS = 5
MAX_ERROR, MAX_MEAN_ERROR = 0.03, 0.08
"""What the estimate may be off: on a layer, and on random schedules on average."""
MIN_RANK_CORRELATION = 0.97


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A program's cycles.

    Attributes
    ----------
    cycles:
        On the RTL; None where it was not run there.
    counted, estimated:
        By the timing simulator, and by its estimate.
    """

    name: str
    cycles: int | None
    counted: int
    estimated: int

    @property
    def exact(self) -> bool:
        """The count is the RTL's, as far as that is known."""
        return self.cycles in (None, self.counted)

    @property
    def error(self) -> float:
        """Of the estimate; the count stands for the RTL's where that is not known."""
        return self.estimated / (self.cycles or self.counted) - 1


@dataclass(frozen=True, kw_only=True)
class LayerTiming(Timing):
    """A layer with the schedule that the compiler takes.

    Attributes
    ----------
    rtl_seconds, estimate_seconds:
        Medians: a run of the RTL, and from the program's words to the estimate.
    """

    rtl_seconds: float
    estimate_seconds: float

    @property
    def ratio(self) -> float:
        return self.rtl_seconds / self.estimate_seconds


@dataclass(frozen=True, kw_only=True)
class TimingResult:
    """What `measure_timing` found.

    Attributes
    ----------
    schedules:
        At random.
    """

    layers: tuple[LayerTiming, ...]
    schedules: tuple[Timing, ...]

    @property
    def ratio(self) -> float:
        """All layers together."""
        return sum(one.rtl_seconds for one in self.layers) / sum(one.estimate_seconds for one in self.layers)

    @property
    def confirmed(self) -> int:
        """Schedules that were run on the RTL."""
        return sum(one.cycles is not None for one in self.schedules)

    @property
    def mean_error(self) -> float | None:
        """Of schedules."""
        return statistics.fmean(abs(one.error) for one in self.schedules) if self.schedules else None

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of schedules' counts and estimates; None of fewer than two."""
        if len(self.schedules) < 2:
            return None
        return _spearman([one.counted for one in self.schedules], [one.estimated for one in self.schedules])

    @property
    def broken(self) -> tuple[str, ...]:
        """What is not as promised, a line each."""
        found = [
            f"{one.name}: {one.cycles:,} cycles on the RTL, but {one.counted:,} counted"
            for one in (*self.layers, *self.schedules)
            if not one.exact
        ]
        found += [
            f"{one.name}: the estimate is off by {one.error:+.2%}, more than {MAX_ERROR:.0%}"
            for one in self.layers
            if abs(one.error) > MAX_ERROR
        ]
        mean, rank = self.mean_error, self.rank_correlation
        if mean is not None and mean > MAX_MEAN_ERROR:
            found.append(
                f"random schedules: the estimate is off by {mean:.2%} on average, more than {MAX_MEAN_ERROR:.0%}"
            )
        # nan, where all take as long, is no correlation either.
        if rank is not None and not rank >= MIN_RANK_CORRELATION:
            found.append(f"random schedules: rank correlation {rank:.4f}, less than {MIN_RANK_CORRELATION}")
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "layers": [asdict(one) | {"error": one.error, "ratio": one.ratio} for one in self.layers],
            "total": {"ratio": self.ratio, "max_error": max(abs(one.error) for one in self.layers)},
            "schedules": {
                "count": len(self.schedules),
                "on_rtl": self.confirmed,
                "max_error": max((abs(one.error) for one in self.schedules), default=None),
                "mean_error": self.mean_error,
                "rank_correlation": self.rank_correlation,
            },
            "broken": list(self.broken),
        }


def measure_timing(
    config: Config,
    *,
    layers: Sequence[str] = tuple(RESNET18),
    schedules: int = 200,
    confirm: int = 8,
    seed: int = 0,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    progress: Progress = silent,
) -> TimingResult:
    """Compare count and estimate with the RTL on layers, and with each other on random schedules of them.

    Parameters
    ----------
    schedules:
        Drawn from the layers' spaces, in turn.
    confirm:
        Of those, how many are run on the RTL too: the shortest of each layer, before the second of any.

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
        timings.append(_layer(name, job, simulator, machine))
    rng = np.random.default_rng(seed)
    spaces = {
        name: AcceleratorSpace(blocked_conv2d(RESNET18[name], config), config, Memory(latency, bytes_per_cycle))
        for name in layers
    }
    trials: list[Trial] = []
    drawn: list[Timing] = []
    for number in range(schedules):
        name = layers[number % len(layers)]
        progress(f"{name}: a random schedule", number, schedules)
        space = spaces[name]
        trials.append(Trial(machine, space.shape, space.knobs(int(space.random(rng, 1)[0]))))
        job = job_of(trials[-1])
        drawn.append(
            Timing(name=name, cycles=None, counted=_count(job, simulator), estimated=_estimate(job, simulator))
        )
    chosen = _shortest(drawn, confirm)
    for number, place in enumerate(chosen):
        progress(f"{drawn[place].name}: a random schedule on the RTL", number, len(chosen))
        (run,) = _runs_on_rtl(job_of(trials[place]), machine, 1)
        drawn[place] = replace(drawn[place], cycles=run.cycles)
    return TimingResult(layers=tuple(timings), schedules=tuple(drawn))


def _shortest(schedules: Sequence[Timing], count: int) -> list[int]:
    """Places of schedules: the shortest of each layer, then the second of each."""
    order = sorted(range(len(schedules)), key=lambda place: schedules[place].counted)
    taken: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for place in order:
        turns.append((taken[schedules[place].name], place))
        taken[schedules[place].name] += 1
    return [place for _, place in sorted(turns, key=lambda turn: turn[0])][:count]


def _layer(name: str, job: Job, simulator: TimingSimulator, machine: Machine) -> LayerTiming:
    estimated = _estimate(job, simulator)
    runs = _runs_on_rtl(job, machine, RUNS)
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        _estimate(job, simulator)
        seconds.append(time.perf_counter() - begin)
    return LayerTiming(
        name=name,
        cycles=runs[0].cycles,
        counted=_count(job, simulator),
        estimated=estimated,
        rtl_seconds=statistics.median(run.seconds for run in runs),
        estimate_seconds=statistics.median(seconds),
    )


def _runs_on_rtl(job: Job, machine: Machine, count: int) -> list[RunResult]:
    with runtime.open(
        "rtl",
        config=machine.config,
        latency=machine.latency,
        bytes_per_cycle=machine.bytes_per_cycle,
        memory_bytes=memory_for(job.program),
    ) as device:
        runs = [device.run(job.program) for _ in range(count)]
    assert all(run.cycles is not None for run in runs)
    return runs


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
