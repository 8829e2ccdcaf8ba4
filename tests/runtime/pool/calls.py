"""What the pool's tests ask for, in a module that workers import."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

memory: list[object] = []


def square(x: int) -> int:
    return x * x


def raises(x: object) -> None:
    raise ValueError("the first line\nand the second")


def leaves(x: object) -> None:
    sys.exit(4)


def ends(x: int) -> None:
    print("a last word", flush=True)
    os._exit(x)


def segfaults(x: object) -> None:
    ctypes.string_at(0)


def hangs(x: object) -> None:
    time.sleep(1000)


def hangs_holding_python(x: object) -> None:
    ctypes.PyDLL(None).usleep(ctypes.c_uint(1000 * 1000000))


def cannot_be_sent(x: object) -> object:
    return threading.Lock()


def remembers(x: object) -> tuple[int, list[object]]:
    memory.append(x)
    return os.getpid(), list(memory)


def occupies(seconds: float) -> tuple[int, float, float]:
    """Which worker had it, from when to when."""
    begin = time.monotonic()
    time.sleep(seconds)
    return os.getppid(), begin, time.monotonic()


def says_where(call: tuple[Path, str, float]) -> str:
    """Leaves its worker's and its own number in a file, and returns its name after some seconds."""
    folder, name, seconds = call
    partial = folder / f".{name}-{os.getpid()}"
    partial.write_text(f"{os.getppid()} {os.getpid()}")
    partial.rename(folder / name)
    time.sleep(seconds)
    return name


def kills_its_worker(x: object) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def starts_another(path: Path) -> None:
    path.write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
    time.sleep(1000)


class SlowToLoad:
    """Takes its time where importing does: while a request is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (1.5,)


class FailsToLoad:
    """Needs a module that is not there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, ("no_such_module",)


class DiesToLoad:
    """Ends the process in which it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (4,)
