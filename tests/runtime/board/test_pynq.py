"""The driver for Zynq boards, with a stand-in for the package that reaches the fabric."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.fpga.boards import find_board
from dovetail.isa.config import load_config
from dovetail.job import prepare_job, run_job_on
from dovetail.runtime import BadAccess, ConfigMismatch, DeviceUnavailable, OutOfMemory
from dovetail.runtime.board import BoardDevice
from dovetail.runtime.board.pynq import PynqConnection

from .fake_pynq import FakePynq

BOARD = find_board("pynq-z1")
TINY = load_config("tiny")
MEMORY_BYTES = 1 << 20


@pytest.fixture
def pynq(monkeypatch: pytest.MonkeyPatch) -> FakePynq:
    fake = FakePynq(TINY)
    monkeypatch.setitem(sys.modules, "pynq", fake)
    return fake


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    for name in ("dovetail.bit", "dovetail.hwh"):
        (tmp_path / name).touch()
    return tmp_path / "dovetail.bit"


def device(bitstream: Path, **options: int) -> BoardDevice:
    return BoardDevice(BOARD, PynqConnection(BOARD, bitstream, **{"memory_bytes": MEMORY_BYTES, **options}))


def test_layers_run_as_on_every_other_device(pynq: FakePynq, bitstream: Path) -> None:
    with device(bitstream) as board:
        assert board.config == TINY and pynq.loaded == str(bitstream)
        for workload in ("conv2d:1,6,6,8,8,3,1,1", "matmul:4,16,12"):
            job = prepare_job(workload, TINY, config_name="tiny")
            result = run_job_on(board, job, BOARD.name, latency=64, bytes_per_cycle=16)
            assert result.exact
            board.reset()
    assert pynq.freed == 1


def test_memory_is_what_the_fabric_sees(pynq: FakePynq, bitstream: Path) -> None:
    data = np.arange(1000, dtype=np.uint8)
    with device(bitstream) as board:
        board.write(5000, data)
        at = pynq.physical + 5000
        assert np.array_equal(pynq.dram[at : at + 1000], data)
        pynq.dram[at + 10] = 99
        assert board.read(5010, 1) == b"\x63"
        with pytest.raises(BadAccess, match="the memory ends at 0x100000"):
            board.read(MEMORY_BYTES, 1)
        with pytest.raises(OutOfMemory, match="the board has no more"):
            board.alloc(MEMORY_BYTES)


def test_what_is_missing_is_said_in_one_line(
    pynq: FakePynq, bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigMismatch, match="batch is 1, not 8"):
        BoardDevice(BOARD, PynqConnection(BOARD, bitstream, memory_bytes=MEMORY_BYTES), load_config("batch8"))
    assert pynq.freed == 1
    with pytest.raises(DeviceUnavailable, match=r"no 1073741824 bytes of contiguous memory .*memory_bytes"):
        device(bitstream, memory_bytes=1 << 30)
    pynq.physical += 64
    with pytest.raises(DeviceUnavailable, match="no multiple of 4096"):
        device(bitstream)
    pynq.blocks = {}
    with pytest.raises(DeviceUnavailable, match=r"no block 'accelerator'.*dovetail fpga build"):
        device(bitstream)
    with pytest.raises(DeviceUnavailable, match=r"other\.bit: there is no such file"):
        device(tmp_path / "other.bit")
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(DeviceUnavailable, match="package pynq is not here: run this on the board"):
        device(bitstream)
