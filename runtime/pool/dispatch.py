"""One run of requests on the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dovetail.isa.progress import Progress
from dovetail.runtime.errors import DeviceError, DeviceLost, DeviceUnavailable

from .request import Reply, Request
from .worker import execute

if TYPE_CHECKING:
    from .pool import Worker

LOOK_SECONDS = 0.5
"""How often the workers that are there are counted."""


class Dispatch:
    """Sends a request only when a device of its kind should be free: one that waits is no worker's to lose, and a
    worker that comes late gets its share.

    Parameters
    ----------
    workers:
        Those that are there now.
    grace:
        Seconds for which a run goes on without a worker that it needs.
    """

    def __init__(
        self, client: Any, batch: Sequence[Request], *, workers: Callable[[], Sequence[Worker]], grace: float
    ) -> None:
        self._client, self._workers, self._grace = client, workers, grace
        self._total = len(batch)
        self._waiting: dict[str, deque[Request]] = defaultdict(deque)
        for request in batch:
            self._waiting[request.resource].append(request)
        self._running: dict[Any, Request] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answered: deque[Reply] = deque()
        self._devices: Counter[str] = Counter()
        self._looked = float("-inf")
        self._offered = dict.fromkeys(self._waiting, time.monotonic())

    def replies(self, progress: Progress) -> Iterator[Reply]:
        """See `Pool.run`."""
        done = 0
        try:
            while done < self._total:
                failure = self._keep_busy()  # no device waits for what the caller does with the replies
                progress("running on the pool", done, self._total)
                while self._answered:
                    done += 1
                    yield self._answered.popleft()
                if failure is not None and done < self._total:
                    raise failure
                if self._running or any(self._waiting.values()):
                    self._receive()
            progress("running on the pool", done, self._total)
        finally:
            if self._running:
                with contextlib.suppress(Exception):  # a scheduler that is gone has cancelled them
                    self._client.cancel(list(self._running))

    def _keep_busy(self) -> DeviceError | None:
        """Give devices that are free what they can take. An error waits for the replies that came before it."""
        try:
            self._look()
        except DeviceError as error:
            return error
        self._send()
        return None

    def _look(self) -> None:
        """Count the devices.

        Raises
        ------
        DeviceUnavailable:
            There has been none of a kind that is needed for too long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked, workers = now, self._workers()
        self._devices = Counter()
        for worker in workers:
            self._devices.update({name: int(count) for name, count in worker.resources.items()})
        needed = {request.resource for request in self._running.values()}
        needed |= {resource for resource, requests in self._waiting.items() if requests}
        for resource in sorted(needed):
            if self._devices[resource]:
                self._offered[resource] = now
            elif now - self._offered[resource] > self._grace:
                there = ", ".join(f"{count} {name}" for name, count in sorted(self._devices.items()) if count)
                address = self._client.scheduler.address
                raise DeviceUnavailable(
                    f"no worker of the pool offered {resource!r} for {self._grace:g} s; {len(workers)} workers "
                    f'offer {there or "nothing"}; start one with dask worker {address} --resources "{resource}=1"'
                )

    def _send(self) -> None:
        running = Counter(request.resource for request in self._running.values())
        for resource, requests in self._waiting.items():
            for _ in range(min(self._devices[resource] - running[resource], len(requests))):
                self._submit(requests.popleft())

    def _submit(self, request: Request) -> None:
        from distributed.protocol import pickle as whole  # what a script defines goes as a whole, not by its name

        dumps: Any = whole.dumps
        try:
            call = dumps((request.function, request.argument))
        except Exception as error:
            self._answered.append(_lost(request, f"the request cannot be pickled: {error}"))
            return
        future = self._client.submit(
            execute,
            call,
            request.resource,
            request.timeout,
            key=f"{request.resource}-{uuid.uuid4().hex}",
            resources={request.resource: 1},
            retries=0,
            pure=False,
        )
        self._running[future] = request
        future.add_done_callback(self._ended.put)

    def _receive(self) -> None:
        """Wait a moment for a request to end."""
        with contextlib.suppress(queue.Empty):
            future = self._ended.get(timeout=LOOK_SECONDS)
            request = self._running.pop(future)
            self._answered.append(self._reply(request, future))
            future.release()

    def _reply(self, request: Request, future: Any) -> Reply:
        from distributed.scheduler import KilledWorker

        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                count, name = error.allowed_failures + 1, str(error.last_worker.name)
                workers = f"{count} workers" if count > 1 else "a worker"
                return Reply(key=request.key, status="lost", message=f"it killed or froze {workers}", worker=name)
            return _lost(request, f"the worker could not run it: {type(error).__name__}: {error}")
        try:
            if future.status != "finished":
                raise OSError(f"a request was {future.status}")
            (status, pickled, message, detail, seconds), worker = future.result()
        except (OSError, TimeoutError, RuntimeError) as error:
            raise DeviceLost(f"the pool's scheduler at {self._client.scheduler.address} is gone: {error}") from None
        if status == "done":
            try:
                value = pickle.loads(pickled)
            except Exception as error:
                return _lost(request, f"the result cannot be unpickled: {type(error).__name__}: {error}", worker)
            return Reply(key=request.key, status=status, value=value, worker=worker, seconds=seconds)
        return Reply(key=request.key, status=status, message=message, detail=detail, worker=worker, seconds=seconds)


def _lost(request: Request, message: str, worker: str = "") -> Reply:
    return Reply(key=request.key, status="lost", message=" ".join(message.split()), worker=worker)
