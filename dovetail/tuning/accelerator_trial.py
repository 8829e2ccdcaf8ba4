"""A schedule of a convolution: compiled, run on a device, compared with the reference. It works in any process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

from dovetail import runtime
from dovetail.compiler.ops.blocked import Blocked, unblocked
from dovetail.compiler.ops.knobs import Conv2dKnobs
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.fpga.boards import BOARDS
from dovetail.isa.config import Config
from dovetail.job import Job, prepare_job, random_case, run_job_on
from dovetail.runtime.device import memory_for
from dovetail.workload import Workload, WorkloadError

_case = lru_cache(maxsize=2)(random_case)


@dataclass(frozen=True)
class Machine:
    """Where trials run.

    Attributes
    ----------
    device, port, latency, bytes_per_cycle:
        As of `runtime.open`; the latter two are also those for which schedules are chosen.
    """

    config: Config
    device: str
    latency: int = 64
    bytes_per_cycle: int = 16
    port: str | None = None


@dataclass(frozen=True)
class Trial:
    """A schedule of `shape` to measure on `machine`."""

    machine: Machine
    shape: Blocked
    knobs: Conv2dKnobs


def run_trial(trial: Trial) -> Outcome:
    """Measure a schedule. The device stays open for the next trial in this process.

    A device that is not there, or is another than it should be, or lacks a package, is no fault of the schedule: the
    trial is lost.
    """
    machine, began = trial.machine, time.perf_counter()

    def outcome(status: Status, cost: float | None = None, message: str = "") -> Outcome:
        return Outcome(status=status, cost=cost, message=message, seconds=time.perf_counter() - began)

    try:
        job = job_of(trial)
        opened = _OPENED.device(machine, memory_for(job.program))
        result = run_job_on(
            opened, job, machine.device, latency=machine.latency, bytes_per_cycle=machine.bytes_per_cycle
        )
    except WorkloadError as error:
        return outcome(Status.FAILED, message=str(error))
    except (runtime.DeviceFault, runtime.DeviceTimeout) as error:
        _OPENED.close()
        return outcome(Status.FAILED, message=str(error))
    except (runtime.DeviceError, ImportError) as error:
        _OPENED.close()
        return outcome(Status.LOST, message=str(error))
    if not result.exact:
        return outcome(Status.WRONG, message=f"outputs differ from the reference by up to {result.max_abs_error}")
    if result.cycles is None:
        return outcome(Status.FAILED, message=f"{machine.device} counts no cycles")
    return outcome(Status.OK, float(result.cycles))


def job_of(trial: Trial) -> Job:
    """The program of a trial, with data.

    Raises
    ------
    WorkloadError:
        It cannot be compiled.
    """
    machine = trial.machine
    shape = unblocked(trial.shape, machine.config)
    return prepare_job(
        Workload("trial", shape),
        machine.config,
        latency=machine.latency,
        bytes_per_cycle=machine.bytes_per_cycle,
        knobs=trial.knobs,
        case=_case(shape),
    )


class _Opened:
    """The one device of this process, open from trial to trial."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._device: runtime.Device | None = None

    def device(self, machine: Machine, memory_bytes: int) -> runtime.Device:
        small = machine.device not in BOARDS and self._device is not None and self._device.memory_bytes < memory_bytes
        if self._device is None or machine != self._machine or small:
            self.close()
            self._machine = machine
            self._device = runtime.open(
                machine.device,
                config=machine.config,
                port=machine.port,
                latency=machine.latency,
                bytes_per_cycle=machine.bytes_per_cycle,
                memory_bytes=memory_bytes,
            )
        return self._device

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
        self._device = None


_OPENED = _Opened()


def close_device() -> None:
    """Close the device that trials in this process have opened."""
    _OPENED.close()
