"""What a run does when its scheduler goes, with one that only seems to be there."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dovetail.isa.progress import silent
from dovetail.runtime import DeviceLost
from dovetail.runtime.pool import Reply, Request, Worker, dispatch
from dovetail.runtime.pool.dispatch import Dispatch
from tests.runtime.pool import calls


class Ended:
    """A future of a call that has given 1."""

    status = "finished"

    def add_done_callback(self, call: Callable[[Any], object]) -> None:
        call(self)

    def result(self) -> object:
        return ("done", pickle.dumps(1), "", "", 0.5), "worker 0"

    def release(self) -> None:
        pass


class Broken(Ended):
    """One of a worker that could not call it."""

    status = "error"

    def exception(self) -> Exception:
        return ModuleNotFoundError("no module named dovetail")


@dataclass
class Client:
    """A scheduler that ends each request at once."""

    future: type[Ended] = Ended

    def submit(self, *arguments: object, **options: object) -> Ended:
        return self.future()


def worker() -> Worker:
    return Worker(name="0", address="tcp://a:1", resources={"timing": 1}, running=0)


def ask(key: str) -> Request:
    return Request(key=key, function=calls.square, argument=1, resource="timing", timeout=9)


@pytest.mark.parametrize("count", [1, 2])
def test_replies_that_came_are_handed_out_before_an_error(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """With one device the second request would be sent when the first has its reply, and the scheduler is gone then."""
    monkeypatch.setattr(dispatch, "LOOK_SECONDS", 0)
    looks = [[worker()]]

    def workers() -> list[Worker]:
        if not looks:
            raise DeviceLost("gone")
        return looks.pop()

    replies: list[Reply] = []
    run = Dispatch(Client(), [ask(str(number)) for number in range(count)], workers=workers, grace=9).replies(silent)
    if count == 1:
        replies += run
    else:
        with pytest.raises(DeviceLost, match="gone"):
            for reply in run:
                replies.append(reply)
    assert [(reply.key, reply.value) for reply in replies] == [("0", 1)]


def test_what_dask_could_not_call_is_lost() -> None:
    (reply,) = Dispatch(Client(Broken), [ask("a")], workers=lambda: [worker()], grace=9).replies(silent)
    assert reply.status == "lost"
    assert reply.message == "the worker could not run it: ModuleNotFoundError: no module named dovetail"
