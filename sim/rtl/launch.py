"""Starts a simulator's process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .control import SHARED_VARIABLE, SOCKET_VARIABLE
from .toolchain import cocotb_environment

TOP = "clocked"
SERVER = "dovetail.sim.rtl.server"
MAX_SEED = (1 << 31) - 1
"""Verilator's largest seed; its 0 stands for another one every time."""

Shared = tuple[int, int, int, int, int, int]
"""Open files and sizes: control page, its bytes, memory, its bytes, timeline, the server's end of the socket."""


def shared_environment(shared: Shared) -> dict[str, str]:
    """What tells a simulator its open files; they are to be inherited by its process."""
    return {SHARED_VARIABLE: ",".join(map(str, shared)), SOCKET_VARIABLE: str(shared[-1])}


def inherited(shared: Shared) -> tuple[int, ...]:
    return (shared[0], shared[2], shared[4], shared[5])


def launch(
    executable: Path, shared: Shared, *, log: int, waves: Path | None = None, seed: int = 0
) -> subprocess.Popen[bytes]:
    """Start a simulator with the device server in it.

    It does not get the terminal's Ctrl-C: its client does, and ends it.

    Parameters
    ----------
    log:
        Open file for what it prints.
    waves:
        File for an FST trace.
    seed:
        Of the values that registers without an initial value begin with, in a build that has such.
    """
    environment = cocotb_environment(TOP, SERVER) | shared_environment(shared)
    environment |= {
        "COCOTB_RESULTS_FILE": os.devnull,
        "COCOTB_LOG_LEVEL": "WARNING",
        "GPI_LOG_LEVEL": "WARNING",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [
            str(executable),
            *(["--trace-file", str(waves)] if waves is not None else []),
            "+verilator+rand+reset+2",
            f"+verilator+seed+{seed % MAX_SEED + 1}",
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=inherited(shared),
        start_new_session=True,
    )
