"""Opens a pool: a cluster of its own on this computer, or one that is there."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any

from dovetail.isa.cache import cache_dir
from dovetail.runtime.errors import DeviceUnavailable

from .pool import Pool

LOOPBACK = "127.0.0.1"
WORKER_TTL = 10.0
GRACE_SECONDS = 15.0
MAX_LOSSES = 3
_QUIET = logging.CRITICAL
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")


@contextmanager
def open_pool(
    address: str | None = None,
    *,
    workers: int | None = None,
    resources: Mapping[str, int] | None = None,
    dashboard: bool | None = None,
    worker_ttl: float = WORKER_TTL,
    max_losses: int = MAX_LOSSES,
    grace: float = GRACE_SECONDS,
) -> Iterator[Pool]:
    """A pool of devices, as a context manager.

    Without an address it is a cluster of its own, of processes on this computer, that listens on the loopback only and
    ends with this process. A script that opens one keeps what it does under ``if __name__ == "__main__":``, for its
    workers import it.

    With an address it is an ordinary Dask cluster, on as many computers as there are::

        dask scheduler --host 192.168.0.10
        dask worker tcp://192.168.0.10:8786 --resources "rtl=1" --nthreads 1
        dask worker tcp://192.168.0.10:8786 --resources "ulx3s-85f=1" --nthreads 1 --name board-on-the-left

    Every worker needs this package in the same version and, when it has several devices, as many threads. A scheduler
    waits five minutes for a silent worker, and gives a request up when four workers have died of it, unless
    ``DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=15s`` and ``DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=2`` tell it
    otherwise. Anyone who reaches a scheduler can run programs on its workers; on a network that others use, give all
    three the certificates of Dask's own configuration and an address that begins with ``tls://``::

        export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true DASK_DISTRIBUTED__COMM__TLS__CA_FILE=ca.pem
        export DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT=client.pem DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY=client.key

    and ``...__SCHEDULER__CERT``, ``...__WORKER__CERT`` in the same way.

    Parameters
    ----------
    address:
        Of a Dask scheduler.
    workers:
        How many workers to start; by default as many as this process may use processors.
    resources:
        The devices of each of them; by default one ``timing``.
    dashboard:
        Whether Dask's dashboard is served, on a free port; by default if bokeh is installed, which it needs.
    worker_ttl:
        A worker that says nothing for so many seconds is given up; at least 5. It takes up to twice as long, and
        4 seconds more, until its requests go to another.
    max_losses:
        A request is lost when so many workers have died that had it.
    grace:
        Seconds to wait for the scheduler, and in a run for a worker with a device of the kind that is needed.

    Raises
    ------
    DeviceUnavailable:
        The packages are missing, or the scheduler does not answer.
    ValueError:
        Workers, resources, the dashboard, worker_ttl or max_losses are of a cluster of one's own, or not possible.
    """
    if importlib.util.find_spec("distributed") is None:
        raise DeviceUnavailable("a device pool needs the package distributed; pip install 'dovetail[tune]'")
    own = (workers, resources, dashboard)
    if address is not None and own != (None, None, None):
        raise ValueError(f"the cluster at {address} has its own workers, resources and dashboard")
    if worker_ttl < 5 or max_losses < 1 or (workers is not None and workers < 1):
        raise ValueError("a pool has at least 1 worker, a worker_ttl of at least 5 s and max_losses of at least 1")
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if address is not None:
            client, link = stack.enter_context(_connect(address, grace)), None
        else:
            devices = {"timing": 1} if resources is None else dict(resources)
            served = importlib.util.find_spec("bokeh") is not None if dashboard is None else dashboard
            cluster = stack.enter_context(
                _cluster(workers or len(os.sched_getaffinity(0)), devices, served, worker_ttl, max_losses)
            )
            link = cluster.dashboard_link if served else None
            client = stack.enter_context(_connect(cluster, grace))
        yield Pool(client, dashboard=link, grace=grace)


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of Dask's on the terminal: what matters of it becomes replies and errors."""
    import distributed  # noqa: F401  # it gives its loggers their levels when it is imported

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(_QUIET)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _connect(cluster: Any, seconds: float) -> Iterator[Any]:
    """A client; its certificates are those of Dask's configuration."""
    import distributed

    make: Any = distributed.Client
    try:
        client = make(cluster, timeout=seconds, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        why = " ".join(str(error).split())
        raise DeviceUnavailable(
            f"no Dask scheduler answers at {cluster}: {why}; start one with dask scheduler, and workers with "
            f'dask worker {cluster} --resources "rtl=1"'
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=5)


@contextmanager
def _cluster(
    workers: int, resources: Mapping[str, int], dashboard: bool, worker_ttl: float, max_losses: int
) -> Iterator[Any]:
    import dask
    import distributed

    make: Any = distributed.LocalCluster
    settings = {
        "distributed.worker.profile.enabled": False,
        # These variables are for Dask's workers, would stay in this process too, and slow what measures in threads.
        "distributed.nanny.pre-spawn-environ": {},
    }
    # Threads and processes inherit the mask: Ctrl-C is for this process's own threads, and never half starts a cluster.
    # Python's tracker comes first, for starting it lifts the mask.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with dask.config.set(settings):
            cluster = make(
                n_workers=workers,
                threads_per_worker=max(1, sum(resources.values())),
                processes=True,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                memory_limit=0,
                resources=dict(resources),
                local_directory=str(cache_dir() / "pool"),
                silence_logs=_QUIET,
                scheduler_kwargs={
                    "worker_ttl": worker_ttl,
                    "allowed_failures": max_losses - 1,
                    "dashboard": dashboard,  # without it, a page of figures is still served
                },
            )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        yield cluster
    finally:
        cluster.close(timeout=10)
