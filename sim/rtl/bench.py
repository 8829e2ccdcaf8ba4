"""How fast the simulator is under cocotb, next to a bare C++ loop on the same machine and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.isa.registers import Status

from .build import Options, build
from .client import Settings, Simulator
from .machine import run_program


@dataclass(frozen=True)
class Speed:
    """Cycles of one run, and how fast they were simulated: the median of the runs.

    Attributes
    ----------
    ratio:
        Speed under cocotb over that of the bare loop.
    rtl_seconds:
        Of one run under cocotb.
    """

    cycles: int
    rtl_cycles_per_second: float
    bare_cycles_per_second: float
    ratio: float
    rtl_seconds: float


def measure(
    config: Config,
    words: bytes,
    length: int,
    image: Iterable[tuple[int, bytes]],
    *,
    address: int,
    memory_bytes: int,
    settings: Settings | None = None,
    runs: int = 3,
    progress: Progress = silent,
) -> Speed:
    """Run a program alternately on both and compare.

    Parameters
    ----------
    words, length:
        The encoded program, which goes to byte `address`, and its instructions.
    image:
        What memory holds besides: addresses and bytes.

    Raises
    ------
    RuntimeError:
        The program did not end as it should, or took different cycles on the two.
    """
    executables = [build(config, Options(bare=bare), progress) for bare in (False, True)]
    speeds: list[list[float]] = [[], []]
    seconds, cycles = [], set()
    contents = [*image, (address, words)]
    for _ in range(runs):
        for place, executable in enumerate(executables):
            with Simulator(executable, config, memory_bytes=memory_bytes, settings=settings) as simulator:
                for begin, data in contents:
                    simulator.memory[begin : begin + len(data)] = np.frombuffer(data, np.uint8)
                start = time.perf_counter()
                outcome = run_program(simulator, address=address, length=length, progress=progress)
                elapsed = time.perf_counter() - start
            if outcome.status is not Status.DONE:
                raise RuntimeError(f"the program was stopped: {outcome}")
            cycles.add(outcome.cycles)
            speeds[place].append(outcome.cycles / elapsed)
            if place == 0:
                seconds.append(elapsed)
    if len(cycles) > 1:
        raise RuntimeError(f"the runs took different cycles: {sorted(cycles)}")
    rtl, bare = (statistics.median(values) for values in speeds)
    return Speed(cycles.pop(), rtl, bare, rtl / bare, statistics.median(seconds))
