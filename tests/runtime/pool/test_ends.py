"""However a process with a pool ends, its workers end too, and the terminal stays clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.runtime.pool.processes import gone

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from dovetail.runtime.pool import Request, open_pool
from tests.runtime.pool import calls

if __name__ == "__main__":
    try:
        with open_pool(workers=2, resources={"cpu": 1}) as pool:
            names = ("square", "hangs_holding_python", "hangs")
            requests = [Request(key=name, function=getattr(calls, name), argument=1, resource="cpu", timeout=1000)
                        for name in names]
            for reply in pool.run(requests):
                print(reply.key, flush=True)
                if sys.argv[1] == "leave":
                    break
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("how", ["leave", "SIGINT", "SIGTERM", "SIGKILL"])
def test_nothing_is_left(tmp_path: Path, how: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "-Wdefault", str(path), how],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        started: list[int] = []
        if how != "leave":
            assert process.stdout.readline() == "square\n"
            started = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
            assert len(started) >= 5, "two workers, their processes, and what watches over these"
            if how == "SIGINT":
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all in the foreground
            else:
                process.send_signal(signal.Signals[how])
        printed, errors = process.communicate(timeout=30)
    assert all(gone(pid) for pid in started)
    if how in ("leave", "SIGINT"):
        assert (process.returncode, errors) == (0, "")
        assert printed == ("square\n" if how == "leave" else "interrupted\n")
