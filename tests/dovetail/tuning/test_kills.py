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

STARTING = 4.0
"""Seconds in which a tuner starts: every third is killed in them, the others once they have recorded something new."""
RECORDING = 1.0
"""Seconds after that in which it is killed."""
RECORDED_SECONDS, GONE_SECONDS = 120.0, 30.0
COMMAND = ["tune", "conv2d:1,8,8,16,16,3,1,1", "--config", "tiny", "--model", "random", "--trials", "100000"]


def found(path: Path) -> list[str]:
    """The knobs of all that is recorded."""
    if not path.exists():
        return []
    with Records(path) as records:
        return [str(record.knobs) for task in records.tasks() for record in records.of(task)]


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_killing_the_tuner_never_corrupts_the_records(kills: int, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    path = tmp_path / "tuning.sqlite"
    known = 0
    for kill in range(kills):
        tuner = subprocess.Popen(
            [sys.executable, "-m", "dovetail", *COMMAND, "--records", str(path), "--workers", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if kill % 3:
            limit = time.monotonic() + RECORDED_SECONDS
            while len(found(path)) == known:
                assert tuner.poll() is None and time.monotonic() < limit, "it records nothing"
                time.sleep(0.1)
        time.sleep(rng.uniform(0, RECORDING if kill % 3 else STARTING))
        started = psutil.Process(tuner.pid).children(recursive=True)
        os.kill(tuner.pid, signal.SIGKILL)
        tuner.wait()
        _, alive = psutil.wait_procs(started, timeout=GONE_SECONDS)
        assert not alive, f"left behind: {alive}"
        settings = found(path)
        assert len(settings) >= known
        assert len(set(settings)) == len(settings)
        known = len(settings)
    assert known > 0
