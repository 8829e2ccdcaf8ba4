"""The workers of a Dask cluster as a pool of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dovetail.isa.progress import Progress, silent
from dovetail.runtime.errors import DeviceLost

from .dispatch import Dispatch
from .request import Reply, Request


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker of a pool.

    Attributes
    ----------
    resources:
        How many devices of each kind it has.
    running:
        How many requests it has, of this client or another.
    """

    name: str
    address: str
    resources: Mapping[str, float]
    running: int


class Pool:
    """Devices behind a Dask scheduler; `open_pool` makes one.

    Dask gives a device to one request at a time, and a request to another worker when its worker is gone.

    Attributes
    ----------
    address:
        Of the scheduler.
    dashboard:
        The address of Dask's dashboard; None where there is none.
    """

    def __init__(self, client: Any, *, dashboard: str | None, grace: float) -> None:
        self._client, self._grace = client, grace
        self.address: str = client.scheduler.address
        self.dashboard = dashboard

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers that are there now; a frozen one is, until it has been silent for too long.

        Raises
        ------
        DeviceLost:
            The scheduler does not answer.
        """
        try:
            found: dict[str, Any] = self._client.scheduler_info()["workers"]
        except (OSError, TimeoutError, RuntimeError) as error:
            raise DeviceLost(f"the pool's scheduler at {self.address} does not answer: {error}") from None
        return tuple(
            Worker(
                name=str(worker["name"]),
                address=address,
                resources=MappingProxyType(dict(worker["resources"])),
                running=worker["metrics"].get("task_counts", {}).get("executing", 0),
            )
            for address, worker in found.items()
        )

    def devices(self, resource: str) -> int:
        """How many devices of a kind the workers have that are there now.

        Raises
        ------
        DeviceLost:
            The scheduler does not answer.
        """
        return sum(int(worker.resources.get(resource, 0)) for worker in self.workers)

    def run(self, requests: Iterable[Request], *, progress: Progress = silent) -> Iterator[Reply]:
        """The replies in the order in which they come, exactly one for each key.

        Whoever stops in the middle cancels what is left: the processes of running requests are killed.

        Parameters
        ----------
        progress:
            Called with how many replies there are, at least every second.

        Raises
        ------
        ValueError:
            Two requests have the same key.
        DeviceUnavailable:
            No worker has offered what a request needs for the pool's time of grace. Earlier replies hold.
        DeviceLost:
            The scheduler is gone. Earlier replies hold.
        """
        batch = list(requests)
        key, count = max(Counter(request.key for request in batch).items(), key=lambda item: item[1], default=("", 0))
        if count > 1:
            raise ValueError(f"{count} requests have the key {key!r}")
        return Dispatch(self._client, batch, workers=lambda: self.workers, grace=self._grace).replies(progress)
