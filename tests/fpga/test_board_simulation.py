"""The board down to its pins, used by the driver as the board would be: exact, whatever the line does to bytes."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import dovetail.runtime as runtime
from dovetail.board_job import simulated
from dovetail.fpga.boards import find_board
from dovetail.isa.config import ConfigError, load_config
from dovetail.isa.link import ALIGN_BYTES
from dovetail.job import Job, prepare_job, run_job_on
from dovetail.runtime.board import BoardDevice
from dovetail.runtime.board.connection import LinkConnection
from dovetail.runtime.board.link import Link
from dovetail.runtime.board.serial_port import SerialPort
from dovetail.sim.board.process import SimulatedBoard
from tests.runtime.board.model import Noise
from tests.runtime.board.test_link import PRODUCT, K, W, X, Y

pytestmark = pytest.mark.rtl

BOARD = find_board("ulx3s-85f")
TINY = load_config("tiny")
LAYER = "conv2d:1,6,6,8,8,3,1,1"
DIVISOR = 4
SAMPLED_NS = 1e9 / BOARD.system_hz
"""From a clock's edge in the FPGA until it samples what the SDRAM sends for it."""
FAULTS = 300
FAULT_RATE = 1 / 150
PIECE, PIECES = 64, 1 << 20
FAULT_SECONDS = 60.0


@pytest.fixture(scope="module")
def board() -> Iterator[SimulatedBoard]:
    with simulated(BOARD, TINY, divisor=DIVISOR) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def job() -> Job:
    return prepare_job(LAYER, "tiny", latency=BOARD.memory.latency_cycles, bytes_per_cycle=BOARD.memory.bytes_per_cycle)


def opened(board: SimulatedBoard) -> runtime.Device:
    return runtime.open(BOARD.name, port=board.port, config=TINY)


def is_exact(device: runtime.Device, job: Job) -> bool:
    return run_job_on(device, job, BOARD.name, latency=0, bytes_per_cycle=1).exact


def test_a_convolution_on_the_board_equals_numpy(board: SimulatedBoard) -> None:
    command = [sys.executable, "-m", "dovetail", "run", LAYER, "--config", "tiny", "--device", BOARD.name]
    done = subprocess.run([*command, "--port", board.port, "--json", "-"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["exact"], result["max_abs_error"], result["device"]) == (True, 0, BOARD.name)
    assert result["cycles"] > result["macs"] / TINY.macs_per_cycle


def test_memory_is_written_and_read_at_any_address(board: SimulatedBoard) -> None:
    rng = np.random.default_rng(0)
    with opened(board) as device:
        size = device.memory_bytes
        assert size == BOARD.memory_bytes
        for address, nbytes in [(0, 1500), (size - 1101, 1101), (12345, 1), (size // 2 - 100, 200)]:
            around = slice(max(0, address - ALIGN_BYTES), min(size, address + nbytes + ALIGN_BYTES))
            before = np.frombuffer(device.read(around.start, around.stop - around.start), np.uint8).copy()
            data = rng.integers(0, 256, nbytes, np.uint8)
            device.write(address, data)
            before[address - around.start :][:nbytes] = data
            assert device.read(around.start, around.stop - around.start) == before.tobytes()


def test_the_sdram_is_refreshed_as_often_as_it_asks(board: SimulatedBoard) -> None:
    with opened(board) as device:
        device.write(0, bytes(2000))
    time.sleep(0.5)
    statistics = board.statistics()
    assert BOARD.sdram is not None
    assert statistics.refreshes * BOARD.sdram.t_refresh >= statistics.nanoseconds - BOARD.sdram.t_power_up - 20_000
    assert statistics.framing_errors == 0


@pytest.mark.parametrize("part", [0.3, 0.55])
def test_delays_between_fpga_and_sdram_do_no_harm_while_there_is_time(job: Job, part: float) -> None:
    with simulated(BOARD, TINY, divisor=DIVISOR, round_trip=part * SAMPLED_NS) as board, opened(board) as device:
        assert is_exact(device, job)


def test_data_that_is_sampled_too_early_is_wrong() -> None:
    assert BOARD.sdram is not None
    late = SAMPLED_NS - BOARD.sdram.t_ac + 0.5
    data = bytes(range(1, 255))
    with simulated(BOARD, TINY, divisor=DIVISOR, round_trip=late) as board, opened(board) as device:
        device.write(0, data)
        assert device.read(0, len(data)) != data


def test_faults_on_the_line_never_make_a_result_wrong(board: SimulatedBoard) -> None:
    begin, faults, lost = time.monotonic(), 0, 0
    for seed in itertools.count():
        port = NoisyPort(SerialPort(board.port, BOARD.baud), seed)
        try:
            with BoardDevice(BOARD, LinkConnection(Link(port)), TINY) as device:
                check_product(device, seed)
        except runtime.DeviceError as error:
            assert "\n" not in str(error)
            lost += 1
        finally:
            port.close()
        faults += port.faults
        if faults >= FAULTS:
            break
    seconds = time.monotonic() - begin
    print(f"seeds 0 to {seed}: {faults} faults in {seconds:.1f} s, {lost} sessions ended with an error")
    assert lost <= seed / 4, "nearly all are recovered from"
    assert seconds < FAULT_SECONDS


def check_product(device: runtime.Device, seed: int) -> None:
    """Move data both ways in small pieces, and run a program that adds to what is there, so that it must run once."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (K, TINY.batch, TINY.block_in), np.int8)
    w = rng.integers(-128, 128, (K, TINY.block_out, TINY.block_in), np.int8)
    before = rng.integers(-(10**6), 10**6, (TINY.batch, TINY.block_out), np.int32)
    data = rng.integers(0, 256, (20, PIECE), np.uint8)
    for address, array in ((X, x), (W, w), (Y, before)):
        device.write(address, array)
    for place, piece in enumerate(data):
        device.write(PIECES + PIECE * place, piece)
    device.run(PRODUCT)
    expected = before + np.einsum("kbi,koi->bo", x.astype(np.int32), w.astype(np.int32))
    assert (device.read_array(Y, expected.shape, np.int32) == expected).all()
    for place, piece in enumerate(data):
        assert device.read(PIECES + PIECE * place, PIECE) == piece.tobytes()


class NoisyPort:
    """A port both of whose directions corrupt, drop and repeat bytes."""

    def __init__(self, port: SerialPort, seed: int) -> None:
        self.name, self._port = port.name, port
        self._there, self._back = Noise(2 * seed, FAULT_RATE), Noise(2 * seed + 1, FAULT_RATE)

    @property
    def faults(self) -> int:
        return self._there.faults + self._back.faults

    def write(self, data: bytes) -> None:
        self._port.write(self._there(data))

    def read(self, seconds: float) -> bytes:
        return self._back(self._port.read(seconds))

    def close(self) -> None:
        self._port.close()


def test_what_cannot_be_simulated_is_refused_with_a_line() -> None:
    with pytest.raises(ConfigError, match="^the serial line's divisor must be 4 to 65536, not 3$"):
        with simulated(BOARD, TINY, divisor=3):
            pass


def test_the_command_tells_its_port_and_ends_when_it_is_interrupted(board: SimulatedBoard, job: Job) -> None:
    command = [sys.executable, "-m", "dovetail", "fpga", "simulate", BOARD.name, "--config", "tiny"]
    with subprocess.Popen(
        [*command, "--baud-divisor", str(DIVISOR), "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            lines = itertools.takewhile(lambda line: line != b"}\n", iter(process.stdout.readline, b""))
            port = json.loads(b"".join(lines) + b"}")["port"]
            with runtime.open(BOARD.name, port=port, config=TINY) as device:
                assert is_exact(device, job)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert not Path(port).exists()
