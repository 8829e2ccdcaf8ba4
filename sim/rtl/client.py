"""Starts a simulator process and talks to it.

The client and the simulator share two anonymous files (the page of `control.Control` and the memory) and a socket.
They exist only as open files of the two processes, so nothing is left when both have ended; and a simulator whose
client is gone ends by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, ConfigError
from dovetail.isa.instructions import Buffer, buffer_depth, entry_bytes
from dovetail.isa.progress import Progress
from dovetail.isa.registers import PROGRAM_INDEX_BITS
from dovetail.sim.timeline import UNITS, Change, Recording

from .control import SCRIPT_STEPS, STALL_ONE, Control, ScriptStep, Step, TimelineRecord
from .launch import launch

POLL_SECONDS = 0.25
"""How often a waiting client looks at the simulator and reports progress."""
START_SECONDS = 60.0
END_SECONDS = 5.0
RESET_CYCLES = 4
ACTIVITY_BITS = 3
LIMIT = 65535
"""Of latency and bandwidth."""
LOG_BYTES = 4096
"""How much of the end of the simulator's output is searched for a reason when it has died."""


class SimulatorLost(RuntimeError):  # it is lost, whether by an error or by a kill
    """The simulator's process has ended. The message says how, in one line."""


class SimulatorTimeout(RuntimeError):
    """The simulator did not answer in the given seconds and was killed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the memory behaves.

    Parameters
    ----------
    latency:
        Cycles from a read's address to its first data, and from a write's last data to its answer; 1 to 65535.
    bytes_per_cycle:
        Bandwidth, shared by reads and writes; 1 to 65535.
    stall:
        Probability that a channel pauses in a cycle; at least 0, below 1.
    seed:
        Of the pauses, and of the values that a regression build begins with.
    errors:
        First byte and end of a range that answers with SLVERR.
    timeline:
        Record what the units do.

    Raises
    ------
    ConfigError:
        A value is out of its range.
    """

    latency: int = 64
    bytes_per_cycle: int = 16
    stall: float = 0.0
    seed: int = 0
    errors: tuple[int, int] | None = None
    timeline: bool = False

    def __post_init__(self) -> None:
        for name in ("latency", "bytes_per_cycle"):
            value = getattr(self, name)
            if not 1 <= value <= LIMIT:
                raise ConfigError(f"{name} must be between 1 and {LIMIT}, not {value}")
        if not 0 <= self.stall < 1:
            raise ConfigError(f"stall must be at least 0 and less than 1, not {self.stall}")


class Simulator:
    """A running simulation of one machine; a context manager.

    Parameters
    ----------
    executable:
        What `build.build` made for `config`.
    memory_bytes:
        Size of the memory, which begins at address 0. Pages that nobody touches cost nothing.
    waves:
        File for an FST trace; the executable must have been built with waves. Of a script that is interrupted nothing
        is left.

    Attributes
    ----------
    memory:
        The memory's bytes, uint8; changes are seen by the simulation at once. It stays readable after the end.
    close:
        Ends the simulator; harmless when it has ended. Called also when the client is collected or Python ends.
    """

    def __init__(
        self,
        executable: Path,
        config: Config,
        *,
        memory_bytes: int,
        settings: Settings | None = None,
        waves: Path | None = None,
    ) -> None:
        if not 0 < memory_bytes <= 1 << DRAM_ADDRESS_BITS:
            raise ConfigError(f"memory_bytes must be between 1 and {1 << DRAM_ADDRESS_BITS}, not {memory_bytes}")
        self.config, self._waves = config, waves
        self._lock = threading.RLock()
        area = max(buffer_depth(config, buffer) * entry_bytes(config, buffer) for buffer in Buffer)
        with contextlib.ExitStack() as cleanup:
            self._page = _anonymous("dovetail-control", ctypes.sizeof(Control) + area, cleanup)
            self._store = _anonymous("dovetail-memory", memory_bytes, cleanup)
            self._timeline = _anonymous("dovetail-timeline", 0, cleanup)
            self._log = cleanup.enter_context(tempfile.TemporaryFile())
            page = mmap.mmap(self._page, 0)
            self._control = Control.from_buffer(page)
            self._area = np.frombuffer(page, dtype=np.uint8, offset=ctypes.sizeof(Control))
            self.memory: npt.NDArray[np.uint8] = np.frombuffer(mmap.mmap(self._store, 0), dtype=np.uint8)
            self._control.memory_bytes = memory_bytes
            settings = settings or Settings()
            self._apply(settings)
            ours, theirs = socket.socketpair()
            self._socket = cleanup.enter_context(ours)
            with theirs:
                described = (self._page, page.size(), self._store, memory_bytes, self._timeline, theirs.fileno())
                self._process = launch(executable, described, log=self._log.fileno(), waves=waves, seed=settings.seed)
            cleanup.callback(_end, self._process, ours, gently=waves is not None)
            self._receive(START_SECONDS, None)
            self.close = weakref.finalize(self, cleanup.pop_all().close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The simulator's process."""
        return self._process.pid

    @property
    def cycle(self) -> int:
        """Cycles simulated so far, as of a few thousand cycles ago."""
        return int(self._control.cycle)

    def run_script(
        self,
        steps: Sequence[tuple[Step, int, int]],
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> list[int]:
        """Execute steps (kind, address, value) and return the result of each.

        Parameters
        ----------
        timeout:
            Seconds after which the simulator is killed; without it there is no limit.
        progress:
            Called several times a second with the cycles simulated so far.

        Raises
        ------
        SimulatorLost:
            The process has ended.
        SimulatorTimeout:
            It took longer than `timeout`.
        """
        if len(steps) > SCRIPT_STEPS:
            raise ValueError(f"{len(steps)} steps; a script has at most {SCRIPT_STEPS}")
        with self._lock:
            self._require_alive()
            for place, step in enumerate(steps):
                self._control.script[place] = ScriptStep(*step)
            self._control.steps = len(steps)
            try:
                self._send()
                self._receive(timeout, progress)
            except BaseException:
                interrupted = self._process.poll() is None
                self.close()  # a simulation that goes on by itself would overwrite the page
                if interrupted or self._process.returncode < 0:
                    self._drop_waves()
                raise
            return [int(self._control.script[place].value) for place in range(len(steps))]

    def read_register(self, address: int) -> int:
        return self.run_script([(Step.READ, address, 0)])[0]

    def write_register(self, address: int, value: int) -> None:
        self.run_script([(Step.WRITE, address, value)])

    def reset(self, settings: Settings | None = None) -> None:
        """Reset machine and memory controller; the contents of memory and buffers stay."""
        with self._lock:
            self._require_alive()
            if settings is not None:
                self._apply(settings)
            self.clear_timeline()
            self.run_script([(Step.RESET, 0, RESET_CYCLES)])

    def dump(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        """The contents of an on-chip buffer, uint8, shape (entries, bytes of an entry)."""
        shape = (buffer_depth(self.config, buffer), entry_bytes(self.config, buffer))
        with self._lock:
            self._copied(Step.DUMP, buffer, shape[0] * shape[1])
            return self._area[: shape[0] * shape[1]].reshape(shape).copy()

    def fill(self, buffer: Buffer, data: npt.NDArray[np.uint8]) -> None:
        """Overwrite an on-chip buffer with uint8 data of the shape that `dump` gives."""
        shape = (buffer_depth(self.config, buffer), entry_bytes(self.config, buffer))
        if data.shape != shape:
            raise ValueError(f"{buffer.name.lower()} buffer: data of shape {data.shape}; it must be {shape}")
        with self._lock:
            self._area[: data.size] = np.ascontiguousarray(data, dtype=np.uint8).reshape(-1)
            self._copied(Step.FILL, buffer, data.size)

    def record_waves(self, on: bool) -> None:
        """Pause the waves, or go on with them.

        Raises
        ------
        ValueError:
            The simulator was started without waves.
        """
        if self.run_script([(Step.TRACE, 0, int(on))])[0] < 0:
            raise ValueError("the simulator was started without waves")

    def timeline(self) -> list[Change]:
        """What was recorded since the last reset; cycles count from it. Raises `SimulatorLost` when it was closed."""
        return self.recording().changes()

    def recording(self) -> Recording:
        """The same as arrays."""
        record = np.dtype(TimelineRecord)
        with self._lock:
            self._require_alive()
            records = np.zeros(os.fstat(self._timeline).st_size // record.itemsize, record)
            view, at = records.view(np.uint8).data, 0
            while at < len(view):
                at += os.preadv(self._timeline, [view[at:]], at)
        return _recording(records)

    def clear_timeline(self) -> None:
        """Forget what was recorded. Raises `SimulatorLost` when the simulator was closed."""
        with self._lock:
            self._require_alive()
            os.ftruncate(self._timeline, 0)
            os.lseek(self._timeline, 0, os.SEEK_SET)

    def _drop_waves(self) -> None:
        """Remove the file of the waves, whose end was not written, so that nobody can read it."""
        if self._waves is not None and self._waves.is_file():
            self._waves.unlink()

    def _require_alive(self) -> None:
        """A closed simulator's files may have been given to others."""
        if not self.close.alive:
            raise SimulatorLost("the simulator was closed")

    def _apply(self, settings: Settings) -> None:
        control = self._control
        control.latency = settings.latency
        control.bytes_per_cycle = settings.bytes_per_cycle
        control.stall = int(settings.stall * STALL_ONE)
        control.seed = settings.seed & (1 << 64) - 1
        control.error_begin, control.error_end = settings.errors or (0, 0)
        control.timeline = settings.timeline

    def _copied(self, step: Step, buffer: Buffer, expected: int) -> None:
        copied = self.run_script([(step, buffer, 0)])[0]
        if copied < 0:
            raise ValueError(
                f"{buffer.name.lower()} buffer: only a simulation of the RTL shows it, not one of a netlist"
            )
        if copied != expected:
            raise ValueError(f"{buffer.name.lower()} buffer: the simulator has {copied} bytes of it, not {expected}")

    def _send(self) -> None:
        try:
            self._socket.sendall(b"\0")
        except OSError:
            raise self._lost() from None

    def _receive(self, timeout: float | None, progress: Progress | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                raise SimulatorTimeout(f"the simulator did not answer within {timeout:g} s, at cycle {self.cycle}")
            if select.select([self._socket], [], [], left)[0]:
                try:
                    answer = self._socket.recv(1)
                except OSError:
                    answer = b""
                if not answer:
                    raise self._lost()
                return
            if progress is not None:
                progress("simulating", self.cycle, 0)

    def _lost(self) -> SimulatorLost:
        try:
            status = self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            return SimulatorLost(f"the simulator stopped answering at cycle {self.cycle}")
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), LOG_BYTES, max(0, size - LOG_BYTES)).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        reason = next((line for line in lines if "Error" in line), lines[-1] if lines else "")
        return SimulatorLost(f"the simulator {how} at cycle {self.cycle}{': ' if reason else ''}{reason}")


def _recording(records: npt.NDArray[Any]) -> Recording:
    """Records in words; their bits lie as the observer's port in bench.sv is put together."""
    state = np.ascontiguousarray(records["words"]).view(np.uint8)
    bits = np.unpackbits(state, axis=1, bitorder="little")
    fields, lsb = [], 0
    for width in (*[PROGRAM_INDEX_BITS] * len(UNITS), *[ACTIVITY_BITS] * len(UNITS), 1):
        fields.append(bits[:, lsb : lsb + width] @ (1 << np.arange(width)))
        lsb += width
    return Recording(
        cycle=records["cycle"].astype(np.int64),
        running=fields[-1] != 0,
        activity=np.stack(fields[len(UNITS) : -1], axis=1),
        index=np.stack(fields[: len(UNITS)], axis=1),
        levels=records["levels"].astype(np.int64),
    )


def _anonymous(name: str, size: int, cleanup: contextlib.ExitStack) -> int:
    file = os.memfd_create(name)
    cleanup.callback(os.close, file)
    os.ftruncate(file, size)
    return file


def _end(process: subprocess.Popen[bytes], connection: socket.socket, *, gently: bool) -> None:
    """End a simulator; `gently` lets it complete the file of its waves."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    if gently:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_SECONDS)
    process.kill()
    process.wait()
