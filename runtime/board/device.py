"""A board as a device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import numpy.typing as npt

from dovetail.fpga.boards import Board
from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Load
from dovetail.isa.program import Program
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.device import Device, Loaded, RunResult
from dovetail.runtime.errors import BadAccess, DeviceLost
from dovetail.runtime.identity import machine_config, require_machine
from dovetail.runtime.outcome import WATCHDOG_CYCLES, run_result
from dovetail.sim.rtl.machine import FOREVER, run_program

from .connection import Connection, Moved
from .script import RegisterHost

LONG_BYTES = 32 << 10
"""Shorter transfers are done before anybody wonders, and progress is not told more often."""


class BoardDevice(Device):
    """A machine on an FPGA. Its memory's size is the board's.

    Parameters
    ----------
    connection:
        How it is reached; the device closes it, also when this raises.
    config:
        What the machine must be; by default what it says that it is.
    timeout:
        Seconds that a run may take; then the machine is stopped, and the device can be used again.
    progress:
        Called during long transfers and runs.

    Raises
    ------
    DeviceUnavailable:
        No machine of ours is on the board.
    ConfigMismatch:
        The machine is another; the message names the fields.
    """

    _MORE_MEMORY = "the board has no more"

    def __init__(
        self,
        board: Board,
        connection: Connection,
        config: Config | None = None,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        with ExitStack() as cleanup:
            cleanup.callback(connection.close)
            machine = config or machine_config(connection.read_register)
            require_machine(connection.read_register, machine)
            super().__init__(machine, connection.memory_bytes)
            self.board = board
            self._connection, self._host = connection, RegisterHost(connection)
            self._timeout, self._progress = timeout, progress
            self._host.rest()
            cleanup.pop_all()

    def read_buffer(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        """Raises `BadAccess`: nobody can look into a board."""
        raise self._no_buffers(buffer)

    def write_buffer(self, buffer: Buffer, data: npt.NDArray[np.uint8]) -> None:
        """Raises `BadAccess`: nobody can reach into a board."""
        raise self._no_buffers(buffer)

    def read_register(self, address: int) -> int:
        """A register of the machine, see `isa.registers`."""
        with self._alive():
            return self._connection.read_register(address)

    def write_register(self, address: int, value: int) -> None:
        with self._alive():
            self._connection.write_register(address, value)

    def reset(self) -> None:
        """Stop the machine, and forget all allocations and loaded programs."""
        super().reset()
        with self._alive():
            self._host.rest()

    def _read(self, address: int, nbytes: int) -> npt.NDArray[np.uint8]:
        with self._alive():
            return self._connection.read_memory(address, nbytes, self._moved("reading memory", nbytes))

    def _write(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        with self._alive():
            self._connection.write_memory(address, data, self._moved("writing memory", data.size))

    def _contents(self, program: Program) -> npt.NDArray[np.uint8]:
        contents = np.zeros(self.memory_bytes, np.uint8)
        for begin, end in self._micro_op_rows(program):
            segment = next((one for one in program.segments if one.address <= begin and end <= one.end), None)
            if segment is None:
                contents[begin:end] = self._read(begin, end - begin)
            else:
                offset = begin - segment.address
                contents[begin:end] = np.frombuffer(segment.data, np.uint8)[offset : offset + end - begin]
        return contents

    def _micro_op_rows(self, program: Program) -> set[tuple[int, int]]:
        """Where the micro-ops come from that a program loads, as far as there is memory."""
        size = self.config.uop_bytes
        loads = [one for one in program.instructions if isinstance(one, Load) and one.buffer is Buffer.UOP]
        begins = {(load.dram + row * load.stride * size, load.cols) for load in loads for row in range(load.rows)}
        rows = {(begin, begin + cols * size) for begin, cols in begins}
        return {(begin, end) for begin, end in rows if end <= self.memory_bytes}

    def _execute(self, loaded: Loaded, timeout: float | None, progress: Progress | None, follows: bool) -> RunResult:
        with self._alive():
            self._host.require_rest()
            begin = time.perf_counter()
            outcome = run_program(
                self._host,
                address=loaded.address,
                length=len(loaded.program),
                watchdog=WATCHDOG_CYCLES,
                max_cycles=FOREVER,
                timeout=self._timeout if timeout is None else timeout,
                progress=progress or self._progress,
            )
            seconds = time.perf_counter() - begin
        return run_result(outcome, loaded.program, seconds=seconds)

    def _close(self) -> None:
        self._connection.close()

    def _moved(self, what: str, total: int) -> Moved:
        """Tells the progress of a transfer that is long."""
        tell = self._progress or silent
        done = told = 0

        def moved(nbytes: int) -> None:
            nonlocal done, told
            done += nbytes
            if total >= LONG_BYTES and done >= told + LONG_BYTES:
                told = done
                tell(f"{what} of {self.board.name}", min(done, total), total)

        return moved

    def _no_buffers(self, buffer: Buffer) -> BadAccess:
        self._require_open()
        return BadAccess(
            f"{buffer.name.lower()} buffer: a board's buffers cannot be reached from outside; "
            "use device fsim or rtl, or a program that stores them"
        )

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Close the device when the board is gone."""
        self._require_open()
        try:
            yield
        except DeviceLost:
            self.close()
            raise
