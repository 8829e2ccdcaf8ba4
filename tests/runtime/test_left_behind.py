"""However a process ends, its simulators end too, and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dovetail import runtime
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Finish
from dovetail.isa.program import Program
from dovetail.runtime import DeviceLost

TINY = load_config("tiny")
GONE_SECONDS = 5.0

CLIENT = """
import sys
from dovetail import runtime
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Gemm, Load, Sync, Unit
from dovetail.isa.program import Program

config = load_config("tiny")
load = Load(buffer=Buffer.UOP, sram=0, dram=0x1000, cols=16, push_next=True)
sync = Sync(target=Unit.COMPUTE, pop_prev=True)
program = Program(config, (load, sync, *[Gemm(uop_begin=0, uop_count=16, outer=4000, inner=4000)] * 8, Finish()))
device = runtime.open("rtl", config=config, memory_bytes=1 << 20, timeout=TIMEOUT)
print(device.pid, flush=True)
ACTION
"""
RUN = "device.run(program, check=False, progress=lambda *x: print('running', flush=True))"


def client(action: str, timeout: str = "None") -> subprocess.Popen[str]:
    code = CLIENT.replace("ACTION", action).replace("TIMEOUT", timeout)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def gone(pid: int) -> bool:
    """Whether a process ends; one that only waits for its parent to look has ended."""
    deadline = time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def files() -> set[str]:
    places = [Path("/dev/shm"), Path(tempfile.gettempdir())]
    return {str(path) for place in places if place.is_dir() for path in place.iterdir() if "dovetail" in path.name}


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    runtime.open("rtl", config=TINY, memory_bytes=1 << 16).close()


@pytest.mark.rtl
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_the_middle_of_a_run(how: signal.Signals) -> None:
    before = files()
    with client(RUN) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "running\n"
        process.send_signal(how)
        process.wait(timeout=GONE_SECONDS)
    assert gone(pid)
    assert files() <= before


@pytest.mark.rtl
@pytest.mark.parametrize("action", ["raise ValueError", "pass", "del device", "import os; os._exit(3)", "sys.exit(2)"])
def test_a_client_that_ends_without_closing(action: str) -> None:
    with client(action) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.wait(timeout=GONE_SECONDS)
    assert gone(pid)


@pytest.mark.rtl
def test_a_run_that_takes_too_long_ends_the_simulator() -> None:
    action = f"try:\n    {RUN}\nexcept runtime.DeviceTimeout as error:\n    print(error, flush=True)"
    with client(action, timeout="1") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        lines = process.stdout.read().splitlines()
        assert process.wait() == 0
    assert lines[-1].startswith("the simulator did not answer within 1 s")
    assert lines[-1].endswith("; open another device and give the run more time")
    assert gone(pid)


@pytest.mark.rtl
def test_a_killed_simulator_is_reported() -> None:
    with runtime.open("rtl", config=TINY, memory_bytes=1 << 20) as device:
        os.kill(device.pid, signal.SIGKILL)  # type: ignore[attr-defined]  # of RTL devices only
        with pytest.raises(DeviceLost, match="was killed by signal 9 .*; open another device"):
            device.run(Program(TINY, (Finish(),)))


@pytest.mark.rtl
def test_an_open_device_is_there_at_once() -> None:
    begin = time.monotonic()
    with runtime.open("rtl", config=TINY, memory_bytes=1 << 28):
        assert time.monotonic() - begin < 2
