"""What a Dask worker does with a request: hands it to a child process that it keeps for the next one."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from typing import Any

from .runner import Result, Runner

_idle: dict[str, list[Runner]] = defaultdict(list)
"""Child processes of this worker by the resource that they have used: what they hold open is of that device."""
_lock = threading.Lock()


def execute(request: bytes, resource: str, timeout: float) -> tuple[Result, str]:
    """The result of a pickled pair of function and argument, and this worker's name; run by Dask as a task.

    The task's process is killed when Dask does not want the task any longer: it was cancelled, its client is gone, or
    this worker is to close.
    """
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and worker.status.name in ("running", "paused")

    while True:
        with _lock:
            runner = _idle[resource].pop() if _idle[resource] else None
        fresh = runner is None
        runner = runner or Runner()
        try:
            result = runner.run(request, timeout, wanted)
            if result is None and fresh:
                result = runner.died()
        except BaseException:
            runner.close()
            raise
        if result is None:  # one that was kept had ended in the meantime
            runner.close()
            continue
        if runner.alive:
            with _lock:
                _idle[resource].append(runner)
        name = worker.name if isinstance(worker.name, str) else f"worker {worker.name}"
        return result, name if "://" not in name else f"{socket.gethostname()} {name}"
