"""FST waves: whole blocks, with the machine's signals, recorded only while they are wanted."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from dovetail.isa.config import load_config
from dovetail.sim.rtl.build import Options, build
from dovetail.sim.rtl.client import Simulator, SimulatorLost, SimulatorTimeout
from dovetail.sim.rtl.control import Step

TINY = load_config("tiny")
HEADER, HIERARCHY_LZ4 = 0, 6
CYCLE = 2
"""Units of time in a cycle."""


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the blocks of an FST file: a byte, eight of length (which count themselves), content."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">Q", data, at + 1)
        yield data[at], data[at + 9 : at + 1 + length]
        at += 1 + length


def lz4_block(data: bytes) -> bytes:
    """Decompress the LZ4 block format, as its description has it."""
    out, at = bytearray(), 0

    def length(low: int) -> int:
        nonlocal at
        if low == 15:
            while True:
                byte = data[at]
                at += 1
                low += byte
                if byte != 255:
                    break
        return low

    while True:
        token = data[at]
        at += 1
        literals = length(token >> 4)
        out += data[at : at + literals]
        at += literals
        if at == len(data):
            return bytes(out)
        distance = int.from_bytes(data[at : at + 2], "little")
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])


def record(path: Path, *, paused: bool) -> tuple[int, dict[int, bytes]]:
    """The time of the last change, and the blocks, of a recording of a few hundred cycles."""
    with Simulator(build(TINY, Options(waves=True)), TINY, memory_bytes=1 << 16, waves=path) as simulator:
        simulator.record_waves(not paused)
        simulator.run_script([(Step.WAIT, 0, 300)])
    found = dict(blocks(path.read_bytes()))
    return struct.unpack_from(">Q", found[HEADER], 8)[0], found


@pytest.mark.rtl
def test_waves_have_the_signals_and_the_cycles(tmp_path: Path) -> None:
    last, found = record(tmp_path / "waves.fst", paused=False)
    assert 300 * CYCLE < last < 400 * CYCLE
    size = struct.unpack_from(">Q", found[HIERARCHY_LZ4])[0]
    names = lz4_block(found[HIERARCHY_LZ4][8:])
    assert len(names) == size
    for name in (b"acc_buffer", b"axi__ar__valid", b"irq", b"rst"):
        assert name in names
    last, _ = record(tmp_path / "paused.fst", paused=True)
    assert last < 100 * CYCLE


@pytest.mark.rtl
@pytest.mark.parametrize("how", [KeyboardInterrupt, SimulatorTimeout, SimulatorLost])
def test_an_interrupted_recording_leaves_nothing(how: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "waves.fst"
    with Simulator(build(TINY, Options(waves=True)), TINY, memory_bytes=1 << 16, waves=path) as simulator:

        def interrupt(*what: object) -> None:
            if how is KeyboardInterrupt:
                raise KeyboardInterrupt
            if how is SimulatorLost:
                os.kill(simulator.pid, signal.SIGKILL)

        with pytest.raises(how):
            timeout = 0.5 if how is SimulatorTimeout else None
            simulator.run_script([(Step.WAIT, 0, 10**9)], timeout=timeout, progress=interrupt)
    assert not path.exists()


@pytest.mark.rtl
def test_a_simulator_without_waves_says_so() -> None:
    with Simulator(build(TINY), TINY, memory_bytes=1 << 16) as simulator:
        with pytest.raises(ValueError, match="started without waves"):
            simulator.record_waves(True)
