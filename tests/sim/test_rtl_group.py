"""A build that is left in the middle leaves no compiler behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dovetail.sim.rtl import compilation

OBEYS = "sleep 60 & echo $!; wait"
IGNORES = f"trap '' TERM; {OBEYS}"
PROMPT_SECONDS = 10.0


def has_ended(pid: int) -> bool:
    """Whether a process ends within a second; one that only waits for its parent to look has ended."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("script", [OBEYS, IGNORES])
def test_a_signal_to_us_alone_ends_what_the_command_started(script: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    interrupt = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        for line in compilation._run_lines(["sh", "-c", script], tmp_path, str(tmp_path / "log")):
            grandchild = int(line)
            interrupt.start()
    assert has_ended(grandchild)
    assert time.monotonic() - begin < PROMPT_SECONDS


def test_who_stops_listening_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        for line in compilation._run_lines(["sh", "-c", OBEYS], tmp_path, str(tmp_path / "log")):
            grandchild = int(line)
            raise SystemExit
    assert has_ended(grandchild)
