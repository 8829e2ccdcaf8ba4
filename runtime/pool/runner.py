"""A child process that calls functions for a worker, and is killed when one takes too long."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

from . import child
from .request import Answer

PREPARE_SECONDS = 300.0
"""For a process to start and to import what a request needs."""
POLL_SECONDS = 0.25
"""How often one who waits asks whether the request is still wanted."""
STATUS_SECONDS = 2.0
TAIL_BYTES = 4096
"""How much of the end of what a process had printed is kept when it has died."""

Result = tuple[Answer, bytes, str, str, float]
"""Status, the pickled value, message, detail, seconds."""


class Runner:
    """A child process in a session of its own: it does not get the terminal's Ctrl-C, and what it has started dies with
    it. It ends when this process does, however that ends.
    """

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._connection, theirs = Pipe()
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(child.__file__)), str(theirs.fileno()), str(lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(lifeline)
        self._send(pickle.dumps(sys.path))

    def run(self, request: bytes, timeout: float, wanted: Callable[[], bool]) -> Result | None:
        """The result of a pickled pair of function and argument; None when the process had ended before it began.

        It is ``lost`` when the function could not be called: that is no fault of the request. Unless it is ``done`` or
        ``failed``, and then only if `alive` is true, the process cannot be used again.

        Parameters
        ----------
        timeout:
            Seconds from the call on.
        wanted:
            Asked from time to time; when it says no, the process is killed.
        """
        self._log.seek(0)
        self._log.truncate()
        if not self._send(request):
            return None
        answer = self._wait(PREPARE_SECONDS, wanted)
        if answer is None:
            message = f"the request was not there after {PREPARE_SECONDS:g} s: does importing its function hang?"
            return "lost", b"", message, self._end(), 0.0
        if answer == b"":
            return None
        if answer != child.BEGUN:
            self._end()
            message, detail = pickle.loads(answer[1:])
            return "lost", b"", message, detail, 0.0
        begin = time.monotonic()
        answer = self._wait(timeout, wanted)
        seconds = time.monotonic() - begin
        if answer is None:
            return "timeout", b"", f"it ran for more than {timeout:g} s and was killed", self._end(), seconds
        if answer == b"":
            detail = self._end()
            return "crashed", b"", f"its process {_how(self._process.returncode)}", detail, seconds
        if answer[:1] == child.DONE:
            return "done", answer[1:], "", "", seconds
        message, detail = pickle.loads(answer[1:])
        return "failed", b"", message, detail, seconds

    @property
    def alive(self) -> bool:
        """Whether the process can take a request, as far as this one knows."""
        return not self._connection.closed

    def close(self) -> None:
        """Kill the process and all that it has started."""
        self._end()

    def died(self) -> Result:
        """What is said of a process that ended before it began."""
        detail = self._end()
        return "lost", b"", f"its process {_how(self._process.returncode)} before the call", detail, 0.0

    def _send(self, message: bytes) -> bool:
        try:
            self._connection.send_bytes(message)
        except OSError:
            return False
        return True

    def _wait(self, seconds: float, wanted: Callable[[], bool]) -> bytes | None:
        """The next message; empty when the process has ended, None after so many seconds."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(EOFError, OSError):
            while True:
                left = deadline - time.monotonic()
                if self._connection.poll(max(0.0, min(left, POLL_SECONDS))):
                    return self._connection.recv_bytes()
                if left <= 0:
                    return None
                if not wanted():
                    self._kill()
        self._await_status()
        return b""

    def _await_status(self) -> None:
        """A process that crashes closes its connection a moment before it has a status, which is not to become ours."""
        deadline = time.monotonic() + STATUS_SECONDS
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT  # its number stays taken until its group is killed
        while os.waitid(os.P_PID, self._process.pid, flags) is None and time.monotonic() < deadline:
            time.sleep(0.005)

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self) -> str:
        """Kill the process; what it had printed last."""
        if self._connection.closed:
            return ""
        self._kill()
        self._process.wait()
        self._connection.close()
        os.close(self._lifeline)
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))
        self._log.close()
        return tail.decode(errors="replace").strip()


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit status {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else "unknown"
    return f"was killed by signal {-code} ({name})"
