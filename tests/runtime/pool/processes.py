"""What the pool's tests ask of processes."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends; one that only waits for its parent to look has ended."""

    def ended() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return soon(ended, seconds)


def soon(happens: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
