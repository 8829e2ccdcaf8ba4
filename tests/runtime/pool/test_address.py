"""A pool on an ordinary Dask cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dovetail.runtime import DeviceUnavailable
from dovetail.runtime.pool import Request, open_pool
from tests.runtime.pool import calls
from tests.runtime.pool.processes import gone, soon

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dask(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    settings = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
    with subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def worker(address: str, name: str) -> tuple[str, ...]:
    devices = ("--resources", "ulx3s-85f=1", "--nthreads", "1", "--name", name)
    local = ("--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    return ("worker", address, *devices, *local)


def test_a_frozen_worker_that_wakes_later_changes_nothing(tmp_path: Path) -> None:
    """Nobody kills it, so it wakes with a result that was given to another worker in the meantime."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    requests = [
        Request(
            key=str(i), function=calls.says_where, argument=(tmp_path, str(i), 1.0), resource="ulx3s-85f", timeout=20
        )
        for i in range(6)
    ]
    with ExitStack() as stack:
        scheduler = stack.enter_context(dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"))
        frozen, _ = (stack.enter_context(dask(*worker(address, name))) for name in ("left", "right"))
        with open_pool(address, grace=60) as pool:
            assert pool.dashboard is None
            assert soon(lambda: len(pool.workers) == 2, 60)
            replies = []

            def wake(*counts: object) -> None:
                """As soon as it is given up: what it had is running elsewhere then."""
                if len(pool.workers) == 1:
                    os.kill(frozen.pid, signal.SIGCONT)

            for reply in pool.run(requests, progress=wake):
                replies.append(reply)
                if len(replies) == 1:
                    os.kill(frozen.pid, signal.SIGSTOP)
            assert Counter(reply.key for reply in replies) == Counter(request.key for request in requests)
            assert {reply.status for reply in replies} == {"done"}
            time.sleep(1)
            (again,) = pool.run([Request(key="a", function=calls.square, argument=3, resource="ulx3s-85f", timeout=9)])
            assert again.value == 9
        assert scheduler.poll() is None, "it was there before the pool, and stays"


def test_a_client_that_is_gone_leaves_the_devices_free(tmp_path: Path) -> None:
    """Also one that could not say so."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    script = (
        "import sys; from pathlib import Path; from tests.runtime.pool import calls\n"
        "from dovetail.runtime.pool import Request, open_pool\n"
        "with open_pool(sys.argv[1], grace=60) as pool:\n"
        "    list(pool.run([Request(key='a', function=calls.says_where, argument=(Path(sys.argv[2]), 'a', 1000.0),\n"
        "                           resource='ulx3s-85f', timeout=2000)]))\n"
    )
    with ExitStack() as stack:
        stack.enter_context(dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"))
        stack.enter_context(dask(*worker(address, "left")))
        command = [sys.executable, "-c", script, address, str(tmp_path)]
        with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}) as client:
            assert soon((tmp_path / "a").exists, 60)
            client.kill()
        assert gone(int((tmp_path / "a").read_text().split()[1]), 15)


def test_nobody_is_at_the_address() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(DeviceUnavailable) as caught, open_pool(address, grace=1):
        pass
    assert str(caught.value).startswith(f"no Dask scheduler answers at {address}: ")
    assert "\n" not in str(caught.value) and f"dask worker {address} --resources" in str(caught.value)
