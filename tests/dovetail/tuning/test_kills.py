"""A tuner that is killed at any moment loses nothing that it has recorded, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dovetail.compiler.tune.records import Records

KILLS = 50
LONGEST = 12.0
"""Seconds after which a tuner is killed at the latest: it starts, measures for a while, and is never done."""
GONE_SECONDS = 30.0
COMMAND = ["tune", "conv2d:1,8,8,16,16,3,1,1", "--config", "tiny", "--model", "random", "--trials", "100000"]


@pytest.mark.slow
def test_killing_the_tuner_never_corrupts_the_records(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path = tmp_path / "tuning.sqlite"
    known = 0
    for _ in range(KILLS):
        tuner = subprocess.Popen(
            [sys.executable, "-m", "dovetail", *COMMAND, "--records", str(path), "--workers", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(0, LONGEST))
        started = psutil.Process(tuner.pid).children(recursive=True)
        os.kill(tuner.pid, signal.SIGKILL)
        tuner.wait()
        _, alive = psutil.wait_procs(started, timeout=GONE_SECONDS)
        assert not alive, f"left behind: {alive}"
        if path.exists():
            with Records(path) as records:
                found = [record for task in records.tasks() for record in records.of(task)]
            assert len(found) >= known
            assert len({str(record.knobs) for record in found}) == len(found)
            known = len(found)
    assert known > 0
