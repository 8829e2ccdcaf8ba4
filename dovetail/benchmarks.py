"""How fast the simulators are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from dovetail import runtime
from dovetail.isa.progress import Progress, silent
from dovetail.job import Job
from dovetail.runtime.device import memory_for, program_address

RUNS = 3


@dataclass(frozen=True, kw_only=True)
class SimulationSpeed:
    """Medians of a few runs of one job; the attributes are the keys of the JSON object.

    Attributes
    ----------
    rtl_cycles_per_second:
        Under cocotb, with the memory model.
    bare_cycles_per_second:
        The same Verilated machine and memory model in a C++ loop.
    ratio:
        The first over the second.
    rtl_seconds, fsim_seconds:
        One run on the RTL under cocotb, and on the functional simulator.
    timing_seconds, estimate_seconds:
        From the program's words to its cycles, by the timing simulator and by its estimate.
    estimate_error:
        The estimate over the timing simulator's cycles, which are the RTL's, less 1.
    """

    rtl_cycles_per_second: float
    bare_cycles_per_second: float
    ratio: float
    rtl_seconds: float
    fsim_seconds: float
    timing_seconds: float
    estimate_seconds: float
    estimate_error: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def simulation_speed(
    job: Job, *, latency: int = 64, bytes_per_cycle: int = 16, runs: int = RUNS, progress: Progress = silent
) -> SimulationSpeed:
    """Measure a job on the RTL, on the bare RTL and on the functional simulator, one after the other.

    Raises
    ------
    DeviceUnavailable:
        A simulator cannot be built or started.
    DeviceLost, DeviceTimeout:
        A simulator's process ended, or does not answer.
    DeviceError:
        The machine stopped the program, or its runs took different cycles.
    """
    from dovetail.sim.rtl.bench import measure
    from dovetail.sim.rtl.build import BuildError
    from dovetail.sim.rtl.client import Settings, SimulatorLost, SimulatorTimeout
    from dovetail.sim.rtl.toolchain import ToolMissing

    words = job.program.encode()
    size = memory_for(job.program)
    try:
        speed = measure(
            job.config,
            words,
            len(job.program),
            [(segment.address, segment.data) for segment in job.program.segments],
            address=program_address(size, len(words)),
            memory_bytes=size,
            settings=Settings(latency=latency, bytes_per_cycle=bytes_per_cycle),
            runs=runs,
            progress=progress,
        )
    except (BuildError, ToolMissing, OSError) as error:
        raise runtime.DeviceUnavailable(str(error)) from error
    except SimulatorLost as error:
        raise runtime.DeviceLost(str(error)) from error
    except SimulatorTimeout as error:
        raise runtime.DeviceTimeout(str(error)) from error
    except RuntimeError as error:
        raise runtime.DeviceError(str(error)) from error
    progress("functional simulator", 0, 0)
    with runtime.open("fsim", config=job.config, memory_bytes=size) as device:
        seconds = [device.run(job.program, check=False).seconds for _ in range(runs)]
    progress("timing simulator", 0, 0)
    timing, estimate, off = _timing(job, latency, bytes_per_cycle, runs)
    return SimulationSpeed(
        rtl_cycles_per_second=speed.rtl_cycles_per_second,
        bare_cycles_per_second=speed.bare_cycles_per_second,
        ratio=speed.ratio,
        rtl_seconds=speed.rtl_seconds,
        fsim_seconds=statistics.median(seconds),
        timing_seconds=timing,
        estimate_seconds=estimate,
        estimate_error=off,
    )


def _timing(job: Job, latency: int, bytes_per_cycle: int, runs: int) -> tuple[float, float, float]:
    """Median seconds of the timing simulator and of its estimate, and the estimate's error."""
    from dovetail.sim.timing import TimingSimulator

    words, size = job.program.encode(), memory_for(job.program)
    address = program_address(size, len(words))
    memory = np.zeros(size, np.uint8)
    for segment in job.program.segments:
        memory[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    simulator = TimingSimulator(job.config, latency=latency, bytes_per_cycle=bytes_per_cycle)

    def count() -> int:
        return simulator.predict(words, memory, address=address).cycles

    def guess() -> int:
        return simulator.estimate(words, address=address).cycles

    off = guess() / count() - 1
    return _median_seconds(count, runs), _median_seconds(guess, runs), off


def _median_seconds(call: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)
