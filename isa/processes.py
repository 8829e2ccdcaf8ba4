"""A command and all that it starts, ended together: make that is killed leaves its compilers running."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

END_SECONDS = 2.0
"""What a command has to end by itself, and to remove its temporary files, before it is killed."""


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a group of its own; at the end it has ended, and its `returncode` is set.

    It does not get the terminal's Ctrl-C: we do. Where the body raises anything, the whole group is ended.

    Parameters
    ----------
    folder:
        Where it runs.

    Yields
    ------
    subprocess.Popen[str]
        Its `stdout` gives all that the group prints, errors among it.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process
            process.wait()
        except BaseException:
            _end(process, process.stdout)
            raise


def _end(process: subprocess.Popen[str], output: IO[str]) -> None:
    try:
        _signal(process, signal.SIGTERM)
        _drain(output)
    finally:
        _signal(process, signal.SIGKILL)
        _drain(output)
        process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _drain(output: IO[str]) -> None:
    """Wait until nobody has the other end of `output`: grandchildren cannot be waited for in another way."""
    deadline = time.monotonic() + END_SECONDS
    while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if not os.read(output.fileno(), 1 << 16):
            return
