"""Whatever the line does to bytes, what comes out is right, or an error says why there is nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.fpga.boards import find_board
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Format, Gemm, Instruction, Load, MicroOp, Store
from dovetail.isa.link import LinkOp
from dovetail.isa.program import Program, Segment
from dovetail.isa.registers import Control, Register
from dovetail.runtime import DeviceError, DeviceLost, DeviceUnavailable
from dovetail.runtime.board import BoardDevice
from dovetail.runtime.board.connection import LinkConnection
from dovetail.runtime.board.link import Link

from .model import BoardModel, Noise, Scissors, Wire

TINY = load_config("tiny")
BOARD = find_board("ulx3s-85f")
K = 4
X, W, Y, UOPS = 0x1000, 0x1200, 0x1800, 0x1400
SECONDS = 120.0
"""On the line's clock; nothing that the tests do takes longer, whatever happens."""


def opened(wire: Wire) -> BoardDevice:
    return BoardDevice(BOARD, LinkConnection(Link(wire, clock=wire.now)))


def product() -> Program:
    """The sum over k of x[k] @ w[k].T at `Y`, added to what is there."""
    uops = b"".join(MicroOp(dst=0, src=k, wgt=k).encode(TINY).to_bytes(TINY.uop_bytes, "little") for k in range(K))
    body: list[Instruction] = [
        Load(buffer=Buffer.UOP, sram=0, dram=UOPS, cols=K),
        Load(buffer=Buffer.INP, sram=0, dram=X, cols=K),
        Load(buffer=Buffer.WGT, sram=0, dram=W, cols=K),
        Load(buffer=Buffer.ACC, sram=0, dram=Y, cols=1, push_next=True),
        Gemm(uop_begin=0, uop_count=K, pop_prev=True, push_next=True),
        Store(format=Format.RAW, sram=0, dram=Y, cols=1, pop_prev=True),
        Finish(),
    ]
    return Program(TINY, tuple(body), (Segment("uops", UOPS, uops),))


PRODUCT = product()


def session(wire: Wire, seed: int) -> None:
    """Open the board, move data both ways, run a program that is not to run twice, and check everything."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (K, TINY.batch, TINY.block_in), np.int8)
    w = rng.integers(-128, 128, (K, TINY.block_out, TINY.block_in), np.int8)
    before = rng.integers(-(10**6), 10**6, (TINY.batch, TINY.block_out), np.int32)
    noise = rng.integers(0, 256, 3000, np.uint8)
    with opened(wire) as device:
        assert device.config == TINY
        device.write(X, x)
        device.write(W, w)
        device.write(Y, before)
        device.write(0x4003, noise)
        device.run(PRODUCT)
        expected = before + np.einsum("kbi,koi->bo", x.astype(np.int32), w.astype(np.int32))
        assert (device.read_array(Y, expected.shape, np.int32) == expected).all()
        assert device.read(0x4003, noise.size) == noise.tobytes()
        assert wire.model.machine.starts == 1


def test_an_undisturbed_line_needs_nothing_twice() -> None:
    for slow in (1, 200, 1000):
        wire = Wire(BoardModel(TINY), byte_seconds=slow / 300_000)
        with opened(wire) as device:
            begin = wire.time
            device.write(0, bytes(20_000))
            assert device.read(0, 20_000) == bytes(20_000)
            assert wire.time - begin < 1.1 * 40_000 * wire.byte_seconds
            session(wire, 1)


def test_a_thousand_faults() -> None:
    faults = lost = 0
    for seed in range(120):
        wire = Wire(BoardModel(TINY), there=Noise(2 * seed, 1 / 900), back=Noise(2 * seed + 1, 1 / 900))
        try:
            session(wire, seed)
        except DeviceError as error:
            lost += 1
            assert str(error).startswith("wire: "), f"seed {seed}"
            assert "\n" not in str(error)
            assert wire.closed
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
        assert wire.time < SECONDS, f"seed {seed}"
        faults += wire.there.faults + wire.back.faults  # type: ignore[attr-defined]
    print(f"seeds 0 to 119: {faults} faults, {lost} sessions ended with an error")
    assert faults >= 1000
    assert lost <= 3, "nearly all such faults are recovered from"


def test_a_line_that_is_mostly_noise() -> None:
    faults = lost = 0
    for seed in range(40):
        wire = Wire(BoardModel(TINY), there=Noise(2 * seed, 1 / 150), back=Noise(2 * seed + 1, 1 / 150))
        try:
            session(wire, seed)
        except DeviceError as error:
            lost += 1
            assert str(error).startswith("wire: ")
            assert "\n" not in str(error)
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
        assert wire.time < SECONDS, f"seed {seed}"
        faults += wire.there.faults + wire.back.faults  # type: ignore[attr-defined]
    print(f"seeds 0 to 39: {faults} faults, {lost} sessions ended with an error")
    assert faults >= 1000
    assert lost > 0, "the test is harder than what can be recovered from"


class Planned:
    """One kind of fault at each of some places of the bytes that pass."""

    def __init__(self, faults: list[tuple[int, str, int]]) -> None:
        self.faults, self.passed = {place: (kind, value) for place, kind, value in faults}, 0

    def __call__(self, data: bytes) -> bytes:
        result = bytearray()
        for byte in data:
            kind, value = self.faults.get(self.passed, ("", 0))
            self.passed += 1
            result += {"drop": b"", "repeat": bytes([byte, byte]), "corrupt": bytes([byte ^ value])}.get(
                kind, bytes([byte])
            )
        return bytes(result)


FAULT = st.tuples(st.integers(0, 6000), st.sampled_from(["drop", "repeat", "corrupt"]), st.integers(1, 255))
THERE, BACK = (st.lists(FAULT, max_size=size, unique_by=lambda fault: fault[0]) for size in (3, 2))
"""Together as many as there are retries, so that no choice of places defeats them all."""


@settings(max_examples=60, deadline=None)
@given(there=THERE, back=BACK, seed=st.integers(0, 99))
def test_a_few_faults_are_always_recovered_from(
    there: list[tuple[int, str, int]], back: list[tuple[int, str, int]], seed: int
) -> None:
    wire = Wire(BoardModel(TINY), there=Planned(there), back=Planned(back))
    session(wire, seed)
    assert wire.time < SECONDS


@pytest.mark.parametrize("silent", [False, True])
def test_the_cable_is_pulled_anywhere(silent: bool) -> None:
    whole = Scissors()
    session(Wire(BoardModel(TINY), there=whole, back=whole), 0)
    for after in range(0, whole.passed, 97):
        scissors = Scissors(after, silent=silent)
        wire = Wire(BoardModel(TINY), there=scissors, back=scissors)
        with pytest.raises((DeviceLost, DeviceUnavailable), match=r"^wire: .*(cut|does not answer)") as error:
            session(wire, 0)
        assert "\n" not in str(error.value)
        assert wire.closed or isinstance(error.value, DeviceUnavailable)
        assert wire.time < SECONDS


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 8192), st.integers(0, 2100)), max_size=8),
    seed=st.integers(0, 99),
)
def test_any_bytes_can_be_read_and_written(steps: list[tuple[bool, int, int]], seed: int) -> None:
    model = BoardModel(TINY)
    device = opened(Wire(model))
    expected = bytearray(random.Random(seed).randbytes(model.memory.size))
    device.write(0, expected)
    for number, (write, address, size) in enumerate(steps):
        if write:
            data = random.Random(number).randbytes(size)
            device.write(address, data)
            expected[address : address + size] = data
        else:
            assert device.read(address, size) == expected[address : address + size]
    assert model.memory.tobytes() == expected


def test_a_register_write_is_executed_even_when_tags_come_round() -> None:
    wire = Wire(BoardModel(TINY))
    link = Link(wire, clock=wire.now)
    connection = LinkConnection(link)
    connection.write_register(Register.WATCHDOG, 1)
    link._tag = link._register_tag - 1
    connection.write_register(Register.WATCHDOG, 2)
    assert connection.read_register(Register.WATCHDOG) == 2


def test_a_register_write_whose_answer_is_lost_is_executed_once() -> None:
    wire = Wire(BoardModel(TINY))
    connection = LinkConnection(Link(wire, clock=wire.now))
    lose = [True]

    def once(data: bytes) -> bytes:
        return b"" if data and lose and lose.pop() else data

    wire.model.machine.hangs = True
    wire.back = once
    connection.write_register(Register.CONTROL, Control.START)
    assert not lose
    assert wire.model.machine.starts == 1


@pytest.mark.parametrize("answers", [b"", b"\xc0hello\xc0" * 1000, bytes(5000)])
def test_what_is_no_board_is_refused_soon(answers: bytes) -> None:
    class Other(BoardModel):
        def receive(self, data: bytes) -> bytes:
            return answers

    wire = Wire(Other(TINY))
    with pytest.raises(
        DeviceUnavailable, match="wire: (the board does not answer|33 frames in a row arr).*; check the cable"
    ):
        LinkConnection(Link(wire, clock=wire.now))
    assert wire.time < 20


def test_another_version_of_the_protocol_is_refused() -> None:
    wire = Wire(BoardModel(TINY))
    wire.model.version = 2
    with pytest.raises(DeviceUnavailable, match="wire: the board speaks version 2 of the protocol, not 1: build its"):
        LinkConnection(Link(wire, clock=wire.now))


def test_a_request_that_the_memory_refuses_is_an_error() -> None:
    wire = Wire(BoardModel(TINY))
    link = Link(wire, clock=wire.now)
    with pytest.raises(DeviceError, match="wire: the board refused to read memory at 0x10000: refused"):
        link.ask(LinkOp.READ_MEMORY, 1 << 16, 16, answer_bytes=16)
    with pytest.raises(DeviceError, match="wire: the board refused to read memory at 0x8: malformed"):
        link.ask(LinkOp.READ_MEMORY, 8, 16, answer_bytes=16)
    assert LinkConnection(link).memory_bytes == 1 << 16
