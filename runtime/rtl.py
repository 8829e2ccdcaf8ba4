"""The Verilated machine as a device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer
from dovetail.isa.progress import Progress, silent
from dovetail.sim.rtl.build import BuildError, Flavour, Options, build
from dovetail.sim.rtl.client import Settings, Simulator, SimulatorLost, SimulatorTimeout
from dovetail.sim.rtl.machine import FOREVER, run_program
from dovetail.sim.rtl.toolchain import ToolMissing
from dovetail.sim.timeline import Trace

from .device import DEFAULT_MEMORY_BYTES, InProcessDevice, Loaded, RunResult
from .errors import BadAccess, DeviceError, DeviceLost, DeviceTimeout, DeviceUnavailable
from .identity import require_machine
from .outcome import WATCHDOG_CYCLES, run_result


class RtlDevice(InProcessDevice):
    """The machine's RTL with a modelled memory, in a process of its own.

    Parameters
    ----------
    settings:
        How the memory behaves; `timeline` and `profile` decide what is recorded, whatever they say of it.
    timeout:
        Seconds that a run may take; then the simulator is killed.
    timeline:
        File for the Chrome trace of the last run, and of those that it follows.
    profile:
        Results say when each instruction was complete.
    waves:
        File for FST waves, complete when the device is closed.
    """

    def __init__(
        self,
        config: Config,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        settings: Settings | None = None,
        timeout: float | None = None,
        timeline: Path | None = None,
        profile: bool = False,
        waves: Path | None = None,
        flavour: Flavour = Flavour.FAST,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(config, memory_bytes)
        self._timeout, self._timeline, self._progress = timeout, timeline, progress
        self._profile = profile
        self._trace = Trace()
        for path in (timeline, waves):
            if path is not None and not path.resolve().parent.is_dir():
                raise DeviceUnavailable(f"{path}: there is no folder {path.resolve().parent} to write it in")
        try:
            executable = build(config, Options(flavour, waves=waves is not None), progress or silent)
            settings = self._recording(settings or Settings())
            with ExitStack() as cleanup:
                simulator = Simulator(executable, config, memory_bytes=memory_bytes, settings=settings, waves=waves)
                cleanup.enter_context(simulator)
                require_machine(simulator.read_register, config)
                cleanup.pop_all()
        except (BuildError, ToolMissing, SimulatorLost, SimulatorTimeout) as error:
            raise DeviceUnavailable(str(error)) from None
        except OSError as error:
            raise DeviceUnavailable(f"the simulator cannot be built or started: {error}") from None
        self._simulator = simulator

    @property
    def _memory(self) -> npt.NDArray[np.uint8]:
        return self._simulator.memory

    @property
    def pid(self) -> int:
        """The simulator's process."""
        return self._simulator.pid

    def read_buffer(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        with self._translated():
            return self._simulator.dump(buffer)

    def write_buffer(self, buffer: Buffer, data: npt.NDArray[np.uint8]) -> None:
        with self._translated():
            self._simulator.fill(buffer, data)

    def read_register(self, address: int) -> int:
        """A register of the machine, see `isa.registers`."""
        with self._translated():
            return self._simulator.read_register(address)

    def write_register(self, address: int, value: int) -> None:
        with self._translated():
            self._simulator.write_register(address, value)

    def reset(self, settings: Settings | None = None) -> None:
        """Reset the machine and its memory controller, which then behaves as `settings` say, if they are given."""
        super().reset()
        with self._translated():
            self._simulator.reset(None if settings is None else self._recording(settings))

    def record_waves(self, on: bool) -> None:
        """Pause the waves, or go on with them. Raises `BadAccess` when the device was opened without."""
        with self._translated():
            self._simulator.record_waves(on)

    def _execute(self, loaded: Loaded, timeout: float | None, progress: Progress | None, follows: bool) -> RunResult:
        program = loaded.program
        with self._translated():
            if self._records:
                self._simulator.clear_timeline()
            begin = time.perf_counter()
            outcome = run_program(
                self._simulator,
                address=loaded.address,
                length=len(program),
                watchdog=WATCHDOG_CYCLES,
                max_cycles=FOREVER,
                timeout=self._timeout if timeout is None else timeout,
                progress=progress or self._progress,
            )
            seconds = time.perf_counter() - begin
            if self._timeline is not None:
                self._write_timeline(self._timeline, loaded, follows)
            ends = self._simulator.recording().instruction_ends(program.instructions) if self._profile else None
        return run_result(outcome, program, seconds=seconds, ends=ends)

    @property
    def _records(self) -> bool:
        return self._profile or self._timeline is not None

    def _recording(self, settings: Settings) -> Settings:
        return replace(settings, timeline=self._records)

    def _write_timeline(self, path: Path, loaded: Loaded, follows: bool) -> None:
        if not follows:
            self._trace = Trace()
        self._trace.add(self._simulator.timeline(), loaded.program.instructions, loaded.sections)
        try:
            self._trace.write(path)
        except OSError as error:
            raise DeviceError(f"{path}: the timeline cannot be written: {error.strerror or error}") from None

    def _close(self) -> None:
        self._simulator.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The simulator's errors as the runtime's; the device is closed when the simulator is."""
        self._require_open()
        try:
            yield
        except SimulatorLost as error:
            raise DeviceLost(f"{error}; open another device") from None
        except SimulatorTimeout as error:
            raise DeviceTimeout(f"{error}; open another device and give the run more time") from None
        except ValueError as error:
            raise BadAccess(str(error)) from None
        finally:
            if not self._simulator.close.alive:
                self.close()
