"""The functional simulator as a device: exact, without time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, buffer_depth, entry_bytes
from dovetail.isa.progress import Progress
from dovetail.sim.functional import FunctionalError, FunctionalSimulator

from .device import DEFAULT_MEMORY_BYTES, InProcessDevice, Loaded, RunResult
from .errors import BadAccess, DeviceFault


class FunctionalDevice(InProcessDevice):
    """A machine without cycles. A run can be interrupted, but has no time-out."""

    def __init__(self, config: Config, *, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        super().__init__(config, memory_bytes)
        self._bytes: npt.NDArray[np.uint8] = np.zeros(memory_bytes, np.uint8)
        self._simulator = FunctionalSimulator(config, self._bytes)

    @property
    def _memory(self) -> npt.NDArray[np.uint8]:
        return self._bytes

    def read_buffer(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        self._require_open()
        return self._entries(buffer).copy()

    def write_buffer(self, buffer: Buffer, data: npt.NDArray[np.uint8]) -> None:
        self._require_open()
        entries = self._entries(buffer)
        if data.shape != entries.shape:
            raise BadAccess(f"{buffer.name.lower()} buffer: data of shape {data.shape}; it must be {entries.shape}")
        entries[...] = data

    def _entries(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        simulator = self._simulator
        arrays: dict[Buffer, npt.NDArray[Any]] = {
            Buffer.INP: simulator.inp,
            Buffer.WGT: simulator.wgt,
            Buffer.ACC: simulator.acc,
            Buffer.UOP: simulator.uop,
        }
        shape = (buffer_depth(self.config, buffer), entry_bytes(self.config, buffer))
        return arrays[buffer].view(np.uint8).reshape(shape)

    def _execute(self, loaded: Loaded, timeout: float | None, progress: Progress | None, follows: bool) -> RunResult:
        begin = time.perf_counter()
        try:
            result = self._simulator.run(loaded.program.instructions)
        except FunctionalError as error:
            raise DeviceFault(str(error), hint="dovetail verify says more about the program") from None
        return RunResult(
            cycles=None,
            counters=None,
            seconds=time.perf_counter() - begin,
            dram_read_bytes=result.dram_read_bytes,
            dram_write_bytes=result.dram_write_bytes,
        )

    def _close(self) -> None:
        # The simulator is part of a cycle of references and lives until the next collection.
        self._bytes = self._simulator.memory = np.zeros(0, np.uint8)
        del self._simulator
