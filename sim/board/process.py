"""A simulated board's process. What is left of it when it has ended is nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import tempfile
import tty
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from dovetail.sim.rtl.control import SOCKET_VARIABLE
from dovetail.sim.rtl.toolchain import cocotb_environment

from .build import TOP
from .statistics import STATISTICS_VARIABLE, Statistics

BENCH = "dovetail.sim.board.bench"
PORT_VARIABLE = "DOVETAIL_BOARD"
"""Environment variable that tells ftdi.cpp its open files: the terminal, and the lifeline."""
START_SECONDS = 60.0
VIOLATION = "violation: "
PS_PER_NS = 1000
LOG_BYTES = 4096
"""How much of the end of the simulator's output is searched for a reason when it has ended."""


class BoardViolation(RuntimeError):
    """The design did on the board what a chip forbids. The message is one line: rule, bank, row, time."""


class BoardLost(RuntimeError):
    """The simulator has ended for another reason. The message is one line."""


class SimulatedBoard:
    """A running board; a context manager.

    It takes no processor time while nothing happens on it. When a client uses the board through `port` and fails
    because a violation has ended the simulation, leaving the context raises `BoardViolation` for the client's error.

    Parameters
    ----------
    executable:
        What `build.build` made.
    round_trip:
        ns from a clock's edge in the FPGA to the SDRAM's pins, and back with the data.

    Attributes
    ----------
    port:
        Path of the pseudo-terminal that stands for the board's serial port. The rate that it is set to does not matter.
    close:
        Ends the simulator; harmless when it has ended. Called also when the object is collected or Python ends.

    Raises
    ------
    BoardLost:
        The simulator does not start.
    """

    def __init__(self, executable: Path, *, round_trip: float = 0.0) -> None:
        with contextlib.ExitStack() as cleanup:
            terminal, end = os.openpty()
            with _closing(terminal), _closing(end):
                tty.setraw(end)
                self.port = os.ttyname(end)
                self._log = cleanup.enter_context(tempfile.TemporaryFile())
                self._statistics = os.memfd_create("dovetail-statistics")
                cleanup.callback(os.close, self._statistics)
                ours, theirs = socket.socketpair()
                lifeline = cleanup.enter_context(ours)
                with theirs:
                    # The simulator has the port open too, so that clients may come and go.
                    self._process = _launch(
                        [str(executable), f"+round_trip={round(round_trip * PS_PER_NS)}"],
                        terminal=terminal,
                        end=end,
                        lifeline=theirs.fileno(),
                        statistics=self._statistics,
                        log=self._log.fileno(),
                    )
            cleanup.callback(_end, self._process)
            if not select.select([lifeline], [], [], START_SECONDS)[0] or not lifeline.recv(1):
                self._process.kill()
                raise self._reason()
            self.close = weakref.finalize(self, cleanup.pop_all().close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if (violation := self._violation()) is not None and (error is None or isinstance(error, Exception)):
                raise violation from None
        finally:
            self.close()

    @property
    def pid(self) -> int:
        """The simulator's process."""
        return self._process.pid

    def statistics(self) -> Statistics:
        """What happened so far. Raises `BoardLost` when the board was closed."""
        if not self.close.alive:
            raise BoardLost("the simulated board was closed")
        return Statistics.load(self._statistics)

    def check(self) -> None:
        """Raise `BoardViolation` or `BoardLost` if the simulation has ended."""
        if not self.close.alive:
            raise BoardLost("the simulated board was closed")
        if self._process.poll() is not None:
            raise self._reason()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the simulation's end and raise as `check` does; return after `timeout` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.check()

    def _reason(self) -> BoardViolation | BoardLost:
        if (violation := self._violation()) is not None:
            return violation
        status = self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        lines = self._output()
        reason = next((line for line in lines if "Error" in line), lines[-1] if lines else "")
        return BoardLost(f"the board's simulator {how}{': ' if reason else ''}{reason}")

    def _violation(self) -> BoardViolation | None:
        found = (line.removeprefix(VIOLATION) for line in self._output() if line.startswith(VIOLATION))
        return next((BoardViolation(line) for line in found), None)

    def _output(self) -> list[str]:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), LOG_BYTES, max(0, size - LOG_BYTES)).decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]


@contextlib.contextmanager
def _closing(file: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(file)


def _launch(
    command: list[str], *, terminal: int, end: int, lifeline: int, statistics: int, log: int
) -> subprocess.Popen[bytes]:
    environment = cocotb_environment(TOP, BENCH) | {
        PORT_VARIABLE: f"{terminal},{lifeline}",
        SOCKET_VARIABLE: str(lifeline),
        STATISTICS_VARIABLE: str(statistics),
        "COCOTB_RESULTS_FILE": os.devnull,
        "COCOTB_LOG_LEVEL": "WARNING",
        "GPI_LOG_LEVEL": "WARNING",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    os.set_blocking(terminal, False)
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=(terminal, end, lifeline, statistics),
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
