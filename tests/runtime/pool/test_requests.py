"""What comes of requests on the workers of a pool's own cluster."""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from dovetail.runtime import DeviceUnavailable
from dovetail.runtime.pool import Pool, Reply, Request, open_pool, runner
from tests.runtime.pool import calls
from tests.runtime.pool.processes import gone, soon


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with open_pool(workers=2, resources={"timing": 1}, grace=3) as opened:
        yield opened


@pytest.fixture(scope="module")
def single() -> Iterator[Pool]:
    with open_pool(workers=1, resources={"rtl": 1, "cpu": 1}) as opened:
        yield opened


def ask(
    function: Callable[..., object],
    argument: object = None,
    *,
    key: str = "a",
    resource: str = "timing",
    timeout: float = 30,
) -> Request:
    return Request(key=key, function=function, argument=argument, resource=resource, timeout=timeout)


def test_whatever_a_function_does_becomes_its_reply(pool: Pool) -> None:
    asked = {
        calls.square: ("done", ""),
        calls.raises: ("failed", "ValueError: the first line and the second"),
        calls.leaves: ("failed", "SystemExit: 4"),
        calls.ends: ("crashed", "its process ended with exit status 4"),
        calls.segfaults: ("crashed", "its process was killed by signal 11 (SIGSEGV)"),
        calls.hangs: ("timeout", "it ran for more than 1 s and was killed"),
        calls.hangs_holding_python: ("timeout", "it ran for more than 1 s and was killed"),
        calls.cannot_be_sent: (
            "failed",
            "the result, a _thread.lock, cannot be pickled: cannot pickle '_thread.lock' object",
        ),
    }
    requests = [ask(call, 4, key=call.__name__, timeout=1) for call in asked]
    told: list[tuple[int, int]] = []
    replies = {reply.key: reply for reply in pool.run(requests, progress=lambda what, *counts: told.append(counts))}
    assert {key: (reply.status, reply.message) for key, reply in replies.items()} == {
        call.__name__: reply for call, reply in asked.items()
    }
    assert replies["square"].value == 16
    assert "calls.py" in replies["raises"].detail
    assert replies["ends"].detail == "a last word"
    assert "Segmentation fault" in replies["segfaults"].detail
    assert all(reply.worker in ("worker 0", "worker 1") for reply in replies.values())
    assert 1 <= replies["hangs"].seconds
    assert told == sorted(told) and told[0] == (0, 8) and told[-1] == (8, 8)


def test_what_is_never_called_is_lost_and_says_nothing_of_the_function(pool: Pool) -> None:
    asked = {
        "import": (calls.FailsToLoad(), "ModuleNotFoundError: No module named 'no_such_module'"),
        "death": (calls.DiesToLoad(), "its process ended with exit status 4 before the call"),
    }
    replies = list(pool.run([ask(calls.square, argument, key=key) for key, (argument, _) in asked.items()]))
    assert {reply.key: (reply.status, reply.message) for reply in replies} == {
        key: ("lost", message) for key, (_, message) in asked.items()
    }
    assert [reply.value for reply in pool.run([ask(calls.square, 3)])] == [9]


def test_a_request_that_is_never_there_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PREPARE_SECONDS", 0.1)
    result = runner.Runner().run(pickle.dumps((calls.square, calls.SlowToLoad())), 9, lambda: True)
    assert result is not None and result[0] == "lost" and "was not there after 0.1 s" in result[2]


def test_what_cannot_be_sent_is_lost_alone(pool: Pool) -> None:
    replies = list(pool.run([ask(calls.square, (i for i in ()), key="a"), ask(calls.square, 3, key="b")]))
    assert [(reply.key, reply.status) for reply in replies] == [("a", "lost"), ("b", "done")]
    assert replies[0].message.startswith("the request cannot be pickled: ")


def test_a_function_that_no_module_has_goes_as_a_whole(pool: Pool) -> None:
    assert [reply.value for reply in pool.run([ask(lambda x: x + 1, 1)])] == [2]


def test_a_process_is_kept_until_a_request_breaks_it(single: Pool) -> None:
    def one(request: Request) -> Reply:
        return next(iter(single.run([request])))

    first, memory = one(ask(calls.remembers, "a", resource="rtl")).value
    assert memory == ["a"]
    assert one(ask(calls.raises, resource="rtl")).status == "failed"
    assert one(ask(calls.remembers, "b", resource="rtl")).value == (first, ["a", "b"])
    other, memory = one(ask(calls.remembers, "c", resource="cpu")).value
    assert other != first and memory == ["c"], "a process is of one kind of device"
    for breaking in (ask(calls.ends, 1, resource="rtl"), ask(calls.hangs, resource="rtl", timeout=0.1)):
        one(breaking)
        assert gone(first)
        first, memory = one(ask(calls.remembers, "d", resource="rtl")).value
        assert memory == ["d"]
    os.kill(first, 9)  # while nobody uses it
    assert one(ask(calls.remembers, "e", resource="rtl")).value[1] == ["e"]


def test_a_device_has_one_request_at_a_time_and_waiting_is_not_running(pool: Pool) -> None:
    """Each waits longer than it may run."""
    requests = [ask(calls.occupies, 0.5, key=str(i), timeout=1.5) for i in range(10)]
    replies = list(pool.run(requests))
    assert [reply.status for reply in replies] == ["done"] * 10
    by_worker = defaultdict(list)
    for reply in replies:
        worker, begin, end = reply.value
        by_worker[worker].append((begin, end))
    assert len(by_worker) == 2, "both work"
    for spans in by_worker.values():
        assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(spans)))


def test_devices_of_two_kinds_work_side_by_side(single: Pool) -> None:
    requests = [ask(calls.occupies, 1, key=kind, resource=kind) for kind in ("rtl", "cpu")]
    (_, begin, end), (_, other_begin, other_end) = (reply.value for reply in single.run(requests))
    assert begin < other_end and other_begin < end


def test_importing_is_not_running(pool: Pool) -> None:
    (reply,) = pool.run([ask(calls.remembers, calls.SlowToLoad(), timeout=1)])
    assert reply.status == "done" and reply.seconds < 1


def test_what_a_request_started_ends_with_it(pool: Pool, tmp_path: Path) -> None:
    (reply,) = pool.run([ask(calls.starts_another, tmp_path / "pid", timeout=2)])
    assert reply.status == "timeout"
    assert gone(int((tmp_path / "pid").read_text()))


def test_who_stops_in_the_middle_frees_the_devices(pool: Pool, tmp_path: Path) -> None:
    requests = [
        *(ask(calls.says_where, (tmp_path, str(i), 1000.0), key=str(i), timeout=2000) for i in range(5)),
        ask(calls.raises, key="fails"),
    ]
    replies = pool.run(requests[::-1])
    assert next(replies).key == "fails"
    assert soon(lambda: len(list(tmp_path.glob("[0-9]"))) >= 1)
    replies.close()  # type: ignore[attr-defined]  # of generators
    for path in tmp_path.glob("[0-9]"):
        assert gone(int(path.read_text().split()[1]))
    assert {reply.status for reply in pool.run(ask(calls.square, 1, key=str(i), timeout=5) for i in range(4))} == {
        "done"
    }


def test_a_kind_that_nobody_has(pool: Pool) -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        list(pool.run([ask(calls.square, 1, resource="rtl")]))
    assert str(caught.value) == (
        "no worker of the pool offered 'rtl' for 3 s; 2 workers offer 2 timing; "
        f'start one with dask worker {pool.address} --resources "rtl=1"'
    )


def test_keys_are_unique_and_time_outs_positive(pool: Pool) -> None:
    with pytest.raises(ValueError, match="2 requests have the key 'a'"):
        pool.run([ask(calls.square, 1), ask(calls.square, 2)])
    with pytest.raises(ValueError, match="the time-out of request 'a' must be above 0, not 0"):
        ask(calls.square, timeout=0)
    assert list(pool.run([])) == []


def test_the_workers_are_listed(pool: Pool) -> None:
    assert sorted((worker.name, dict(worker.resources)) for worker in pool.workers) == [
        ("0", {"timing": 1}),
        ("1", {"timing": 1}),
    ]
    assert [pool.devices(kind) for kind in ("timing", "rtl")] == [2, 0]


def test_nothing_listens_beyond_the_loopback(pool: Pool) -> None:
    this = psutil.Process()
    sockets = [socket for process in (this, *this.children(recursive=True)) for socket in process.net_connections()]
    listening = [socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN]
    assert listening and set(listening) == {"127.0.0.1"}


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceUnavailable, match=r"^a device pool needs .*; pip install 'dovetail\[tune\]'$"):
        with open_pool():
            pass


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"max_losses": 0}, {"worker_ttl": 1}, {"address": "tcp://a:1", "workers": 2}]
)
def test_settings_that_make_no_pool(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="pool|cluster"), open_pool(**wrong):  # type: ignore[arg-type]
        pass
