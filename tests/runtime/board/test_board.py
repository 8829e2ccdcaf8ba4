"""Boards as devices: through pyserial and a pseudo-terminal, and from the command line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dovetail import runtime
from dovetail.cli.app import run_app
from dovetail.fpga.boards import BOARDS, find_board
from dovetail.isa.config import ConfigError, load_config
from dovetail.isa.instructions import Buffer, Finish, Gemm, Load, MicroOp, Sync, Unit
from dovetail.isa.program import Program, Segment
from dovetail.isa.registers import Counter, Register, Status
from dovetail.isa.verify import VerificationError
from dovetail.runtime import (
    BadAccess,
    ConfigMismatch,
    DeviceFault,
    DeviceLost,
    DeviceTimeout,
    DeviceUnavailable,
    OutOfMemory,
)
from dovetail.runtime.board import BoardDevice
from dovetail.runtime.board.connection import LinkConnection
from dovetail.runtime.board.link import Link

from ..networks import DRAM_BYTES, data, expected, network
from .model import CYCLES, BoardModel, Wire
from .pty_board import PtyBoard

TINY = load_config("tiny")
NAME = "ulx3s-85f"
BOARD = find_board(NAME)
FINISH = Program(TINY, (Finish(),))
LAYER = "conv2d:1,6,6,8,8,3,1,1"


@pytest.fixture
def wire() -> Wire:
    return Wire(BoardModel(TINY))


@pytest.fixture
def device(wire: Wire) -> BoardDevice:
    return BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)))


def test_a_run_has_the_machines_counters(device: BoardDevice) -> None:
    result = device.run(FINISH)
    assert (result.status, result.cycles) == ("done", CYCLES)
    assert result.counters is not None
    assert set(result.counters) == {counter.name.lower() for counter in Counter}
    loaded = device.load(FINISH)
    assert [device.start(loaded).cycles for _ in range(2)] == [CYCLES, CYCLES]


def test_a_fault_is_reported_and_the_device_goes_on(device: BoardDevice) -> None:
    with pytest.raises(DeviceFault) as fault:
        device.run(Program(TINY, (Sync(target=Unit.COMPUTE, pop_prev=True), Finish())), check=False)
    assert (fault.value.cause, fault.value.unit, fault.value.index) == ("watchdog", "compute", 0)
    assert fault.value.disassembly == "sync compute pop(load)"
    device.run(FINISH)


def test_a_run_that_takes_too_long_is_stopped_and_the_device_goes_on(device: BoardDevice, wire: Wire) -> None:
    machine = wire.model.machine
    machine.hangs = True
    begin = time.monotonic()
    with pytest.raises(DeviceTimeout, match="wire: the program did not end within 0.05 s; it was stopped: give the"):
        device.run(FINISH, timeout=0.05)
    assert time.monotonic() - begin < 5
    assert machine.read(Register.STATUS) == Status.IDLE
    machine.hangs = False
    assert device.run(FINISH).cycles == CYCLES


def test_an_interrupted_run_is_stopped(device: BoardDevice, wire: Wire) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    wire.model.machine.hangs = True
    with pytest.raises(KeyboardInterrupt):
        device.run(FINISH, progress=interrupt)
    assert wire.model.machine.read(Register.STATUS) == Status.IDLE


def test_what_ran_when_the_board_is_opened_is_stopped(wire: Wire) -> None:
    wire.model.machine.hangs = True
    wire.model.machine.start()
    wire.model.machine.hangs = False
    device = BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)))
    assert device.run(FINISH).cycles == CYCLES


def test_a_program_that_is_gone_from_the_machine_is_no_result(device: BoardDevice, wire: Wire) -> None:
    wire.model.machine.start = lambda: None  # type: ignore[method-assign]
    with pytest.raises(DeviceLost, match="wire: the program is gone from the machine: was the board reset?"):
        device.run(FINISH)


def test_micro_ops_that_lie_in_the_boards_memory_are_verified(device: BoardDevice) -> None:
    body = (
        Load(buffer=Buffer.UOP, sram=0, dram=0x2000, cols=2, push_next=False),
        Gemm(uop_begin=0, uop_count=2),
        Finish(),
    )
    program = Program(TINY, body)

    def micro_ops(last: int) -> bytes:
        words = [MicroOp(dst=0, src=0, wgt=0), MicroOp(dst=last, src=0, wgt=0)]
        return b"".join(word.encode(TINY).to_bytes(TINY.uop_bytes, "little") for word in words)

    with pytest.raises(VerificationError) as error:
        device.run(dataclasses.replace(program, segments=(Segment("uops", 0x2000, micro_ops(3)),)))
    device.write(0x2000, micro_ops(3))
    with pytest.raises(VerificationError) as again:
        device.run(program)
    assert str(again.value) == str(error.value)


def test_buffers_cannot_be_reached(device: BoardDevice) -> None:
    for access in (lambda: device.read_buffer(Buffer.ACC), lambda: device.write_buffer(Buffer.ACC, np.zeros(1))):
        with pytest.raises(BadAccess, match="acc buffer: a board's buffers cannot be reached from outside; use device"):
            access()


def test_the_memory_is_the_boards(device: BoardDevice) -> None:
    assert device.memory_bytes == 1 << 16
    for access in (lambda: device.read(1 << 16, 1), lambda: device.write((1 << 16) - 1, b"xx")):
        with pytest.raises(BadAccess, match="the memory ends at 0x10000"):
            access()
    with pytest.raises(OutOfMemory, match="100000 bytes do not fit: 61440 of 65536 are free; the board has no more"):
        device.alloc(100_000)


def test_long_transfers_tell_their_progress(wire: Wire) -> None:
    told: list[tuple[str, int, int]] = []
    device = BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)), progress=lambda *one: told.append(one))
    device.write(0, bytes(60))
    assert told == []
    device.write(0, bytes(65536))
    device.read(0, 65536)
    assert [one[0] for one in told] == ["writing memory of ulx3s-85f"] * 2 + ["reading memory of ulx3s-85f"] * 2
    assert [one[1:] for one in told[:2]] == [(32768, 65536), (65536, 65536)]


def test_another_machine_is_refused_by_field(wire: Wire) -> None:
    other = dataclasses.replace(TINY, acc_depth=128, queue_depth=8)
    with pytest.raises(ConfigMismatch, match="queue_depth is 4, not 8.*open the device with the machine's") as error:
        BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)), other)
    assert "acc_depth is 64, not 128" in str(error.value)
    assert wire.closed


def test_what_has_no_machine_is_refused(wire: Wire) -> None:
    wire.model.machine.fixed[Register.MAGIC] = 0
    with pytest.raises(DeviceUnavailable, match="no machine answers: register 0x0 reads 0x00000000"):
        BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)))


def test_a_serial_port_carries_a_whole_layer(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    with PtyBoard(BoardModel(TINY, 1 << 20)) as board:
        arguments = ["run", LAYER, "--device", NAME, "--config", "tiny", "--port", board.port, "--json", str(target)]
        assert run_app(arguments) == 0
    result = json.loads(target.read_text())
    assert (result["device"], result["config"], result["exact"]) == (NAME, "tiny", True)
    assert (result["cycles"], result["roofline"]) == (CYCLES, None)
    assert result["memory"] == {"latency_cycles": None, "bytes_per_cycle": None}


def test_a_network_runs_on_a_board() -> None:
    plan, library, params = network()
    with PtyBoard(BoardModel(TINY)) as board:
        with runtime.create(plan, library, NAME, port=board.port) as module:
            module.set_input(**params)
            for seed in range(2):
                module.run(x=data(seed))
                assert (module.get_output(0) == expected(data(seed), params)).all()
            assert module.cycles == CYCLES * len(library.programs)
        with runtime.open(NAME, port=board.port) as device, runtime.create(plan, library, device) as module:
            assert device.alloc(1) >= DRAM_BYTES


def test_the_configuration_is_by_default_the_boards_own() -> None:
    with PtyBoard(BoardModel(TINY)) as board:
        with runtime.open(NAME, port=board.port) as device:
            assert device.config == TINY
            with pytest.raises(DeviceUnavailable, match=f"{board.port}: the port cannot be opened: another program"):
                runtime.open(NAME, port=board.port)


def test_the_command_line_expects_what_the_boards_builds_have(capsys: pytest.CaptureFixture[str]) -> None:
    with PtyBoard(BoardModel(TINY)) as board:
        assert run_app(["run", LAYER, "--device", "ulx3s-25f", "--port", board.port]) == 3
    small = load_config("small")
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("dovetail: the machine has another configuration: ")
    assert f"block_in is {TINY.block_in}, not {small.block_in}" in message


@pytest.mark.parametrize("cut_after", [700, 3000, 20_000])
def test_the_cable_is_pulled_in_the_middle(cut_after: int) -> None:
    with PtyBoard(BoardModel(TINY), cut_after=cut_after) as board:
        begin = time.monotonic()
        with pytest.raises((DeviceLost, DeviceUnavailable), match=f"^{board.port}: the connection is gone") as error:
            with runtime.open(NAME, port=board.port) as device:
                device.write(0, bytes(65536))
        assert time.monotonic() - begin < 10
        assert "\n" not in str(error.value)
        if isinstance(error.value, DeviceLost):
            with pytest.raises(DeviceLost, match="the device is closed; open another"):
                device.read(0, 1)


def ports(monkeypatch: pytest.MonkeyPatch, *listed: tuple[str, int, int, str]) -> None:
    found = [
        SimpleNamespace(device=device, vid=vid, pid=pid, product=product, description=product, manufacturer="FTDI")
        for device, vid, pid, product in listed
    ]
    found.append(SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, product=None, description="n/a"))
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)


def test_a_board_is_found_by_what_its_port_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ("/dev/ttyUSB0", 0x0403, 0x6015, "FT231X USB UART")
    with PtyBoard(BoardModel(TINY)) as board:
        ports(monkeypatch, other, (board.port, 0x0403, 0x6015, "ULX3S FPGA 85K v3.0.8"))
        with runtime.open(NAME) as device:
            assert device.config == TINY


def test_a_zynq_is_told_its_bitstream() -> None:
    with pytest.raises(DeviceUnavailable, match="pynq-z1 needs a bitstream: name the .bit file of a build with port"):
        runtime.open("pynq-z1")


def test_a_board_that_is_not_found_or_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    ports(monkeypatch, ("/dev/ttyUSB0", 0x1234, 0x0001, "Thermometer"))
    message = (
        r"ulx3s-85f: no USB serial port 0403:6015 that calls itself ULX3S; "
        r"seen: /dev/ttyUSB0 \(1234:0001 Thermometer\); connect the board, or name its port"
    )
    with pytest.raises(DeviceUnavailable, match=message):
        runtime.open(NAME)
    twice = [(f"/dev/ttyUSB{number}", 0x0403, 0x6015, "ULX3S FPGA") for number in range(2)]
    ports(monkeypatch, *twice)
    with pytest.raises(DeviceUnavailable, match="several ports may be its own: /dev/ttyUSB0, /dev/ttyUSB1; name one"):
        runtime.open(NAME)


@pytest.mark.parametrize("port", ["/dev/there-is-none", "nonsense://x", "/dev/null"])
def test_a_port_that_cannot_be_opened(port: str) -> None:
    with pytest.raises(DeviceUnavailable, match=f"^{port}: the port cannot be opened: ") as error:
        runtime.open(NAME, port=port)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "fsim", "port": "/dev/ttyUSB0"}, "port is of boards, and fsim is a simulator"),
        ({"device": NAME, "waves": "x.fst"}, "waves needs device rtl; nobody can look into ulx3s-85f"),
        ({"device": "ulx4"}, "no device 'ulx4'; use one of fsim, rtl, timing, ulx3s-85f, ulx3s-25f"),
    ],
)
def test_settings_that_a_device_has_not_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        runtime.open(**settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "/dev/ttyUSB0"], "--port: is of boards"),
        (["--device", NAME, "--timeline", "x.json"], "need --device rtl: nobody can look into ulx3s-85f"),
    ],
)
def test_the_command_line_refuses_them_too(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["run", LAYER, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_boards_are_known_without_an_hdl() -> None:
    code = "import sys, dovetail.runtime.board; sys.exit(any(name.startswith('amaranth') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert all(name == board.name and board.system_hz for name, board in BOARDS.items())
