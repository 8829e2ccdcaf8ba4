"""Workers that die or freeze: their requests go to others, and each has exactly one reply."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

from dovetail.runtime.pool import Request, open_pool
from tests.runtime.pool import calls
from tests.runtime.pool.processes import gone

REQUESTS = 24
SECONDS = 0.4
STARTING = 30.0
"""Seconds in which a worker that died is there again."""


def test_one_of_four_killed_and_one_frozen(tmp_path: Path) -> None:
    """The frozen one is given up after 5 to 10 s, and it takes 4 s more to end it."""
    requests = [
        Request(
            key=str(i), function=calls.says_where, argument=(tmp_path, str(i), SECONDS), resource="timing", timeout=20
        )
        for i in range(REQUESTS)
    ]
    replies = []
    with open_pool(workers=4, resources={"timing": 1}, worker_ttl=5) as pool:
        for reply in pool.run(requests):
            replies.append(reply)
            if len(replies) == 4:
                done = {reply.key for reply in replies}
                running = [path.read_text().split() for path in tmp_path.glob("[0-9]*") if path.name not in done]
                (killed, child), (frozen, other_child), *_ = ([int(pid) for pid in pids] for pids in running)
                os.kill(killed, signal.SIGKILL)
                os.kill(frozen, signal.SIGSTOP)
        assert gone(killed) and gone(child), "what it ran is not left behind"
        assert gone(frozen) and gone(other_child)
        deadline = time.monotonic() + STARTING
        while len(pool.workers) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(pool.workers) == 4, "both were started again"
    assert Counter(reply.key for reply in replies) == Counter(request.key for request in requests)
    assert {reply.status for reply in replies} == {"done"}
    assert all(reply.value == reply.key for reply in replies)


def test_a_request_that_kills_workers_is_given_up(tmp_path: Path) -> None:
    requests = [
        Request(key="killer", function=calls.kills_its_worker, argument=None, resource="cpu", timeout=60),
        *(Request(key=str(i), function=calls.square, argument=i, resource="cpu", timeout=60) for i in range(6)),
    ]
    with open_pool(workers=2, resources={"cpu": 1}, max_losses=2) as pool:
        replies = {reply.key: reply for reply in pool.run(requests)}
    killer = replies.pop("killer")
    assert (killer.status, killer.message) == ("lost", "it killed or froze 2 workers")
    assert {key: (reply.status, reply.value) for key, reply in replies.items()} == {
        str(i): ("done", i * i) for i in range(6)
    }
