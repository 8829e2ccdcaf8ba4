"""The functional simulator's values and the timing simulator's cycles as one device."""

from __future__ import annotations

import time
from dataclasses import replace

from dovetail.isa.config import Config
from dovetail.isa.progress import Progress
from dovetail.sim.rtl.client import Settings
from dovetail.sim.timing import TimingSimulator

from .device import DEFAULT_MEMORY_BYTES, Loaded, RunResult
from .errors import DeviceFault
from .fsim import FunctionalDevice


class TimingDevice(FunctionalDevice):
    """A machine with as many cycles as on RTL, and no counters.

    Parameters
    ----------
    settings:
        Of the memory: its latency and its bytes a cycle.
    """

    def __init__(self, config: Config, *, settings: Settings, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        super().__init__(config, memory_bytes=memory_bytes)
        self._timing = TimingSimulator(config, latency=settings.latency, bytes_per_cycle=settings.bytes_per_cycle)

    def _execute(self, loaded: Loaded, timeout: float | None, progress: Progress | None, follows: bool) -> RunResult:
        result = super()._execute(loaded, timeout, progress, follows)
        begin = time.perf_counter()
        try:
            predicted = self._timing.predict(loaded.program.encode(), self._memory, address=loaded.address)
        except ValueError as error:
            raise DeviceFault(str(error), hint="dovetail verify says more about the program") from None
        return replace(result, cycles=predicted.cycles, seconds=result.seconds + time.perf_counter() - begin)
