"""The system on chip from its serial line to its memory chip, in requests of the protocol."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.sim import Simulator

from dovetail.fpga.boards import ULX3S_25F
from dovetail.fpga.boards.pynq import PYNQ_Z1
from dovetail.fpga.soc import Soc, memory_chip, uart_divisor
from dovetail.isa.config import ConfigError, load_config
from dovetail.isa.link import LINK_VERSION, Answer, Identity, LinkOp, LinkStatus, Request, frame
from dovetail.isa.registers import Register
from tests.fpga.link.link_bench import contents_of
from tests.fpga.sdram.bench import Bench
from tests.fpga.sdram.chip_model import ChipModel

CONFIG = load_config("tiny")
DIVISOR = 4
BOARD = replace(ULX3S_25F, system_hz=4_000_000, baud=4_000_000 // DIVISOR)
"""A slow clock, in whose cycles the memory chip is soon initialised."""
PATIENCE = 20_000


class Chip(Bench):
    """The memory chip of a `Soc`."""

    def __init__(self, soc: Soc) -> None:
        self.dut = SimpleNamespace(pads=soc.sdram)  # type: ignore[assignment]
        self.chip = soc.chip
        self.model = ChipModel(soc.chip, 1e9 / BOARD.system_hz)


def levels(sent: bytes) -> Iterator[int]:
    """Of a serial line that sends bytes, bit by bit."""
    for byte in sent:
        yield from (0, *(byte >> k & 1 for k in range(8)), 1)


def answers(soc: Soc, sent: bytes, count: int) -> list[bytes]:
    """The contents of the frames that come back while `sent` goes out at once."""
    received = bytearray()
    chip = Chip(soc)

    async def host(ctx: Any) -> None:
        for level in levels(sent):
            ctx.set(soc.rx, level)
            await ctx.tick().repeat(DIVISOR)

    async def listen(ctx: Any) -> None:
        waited = 0
        while sum(1 for _ in contents_of(bytes(received))) < count:
            waited += 1
            assert waited < PATIENCE, f"only {bytes(received)!r} came back"
            await ctx.tick()
            if ctx.get(soc.tx):
                continue
            await ctx.tick().repeat(DIVISOR // 2)
            bits = []
            for _ in range(9):
                await ctx.tick().repeat(DIVISOR)
                bits.append(ctx.get(soc.tx))
            assert bits.pop() == 1
            received.append(sum(bit << k for k, bit in enumerate(bits)))

    simulator = Simulator(soc)
    simulator.add_clock(1 / BOARD.system_hz)
    simulator.add_testbench(chip.pads, background=True)
    simulator.add_testbench(host, background=True)
    simulator.add_testbench(listen)
    simulator.run()
    return [contents for contents in contents_of(bytes(received)) if contents is not None]


def test_a_host_identifies_it_and_reaches_memory_and_registers() -> None:
    payload = random.Random(1).randbytes(32)
    at = BOARD.memory_bytes - 1024
    requests = [
        (Request(LinkOp.IDENTIFY, 1), b""),
        (Request(LinkOp.WRITE_MEMORY, 2, at, len(payload)), payload),
        (Request(LinkOp.READ_MEMORY, 3, at, len(payload)), b""),
        (Request(LinkOp.READ_REGISTER, 4, Register.FINGERPRINT_LOW, 4), b""),
    ]
    identity = Identity(LINK_VERSION, BOARD.memory_bytes, BOARD.system_hz, CONFIG.fingerprint)
    line = b"".join(frame(request.encode() + data) for request, data in requests)
    assert answers(Soc(CONFIG, BOARD), line, len(requests)) == [
        Answer(LinkOp.IDENTIFY, LinkStatus.OK, 1).encode() + identity.encode(),
        Answer(LinkOp.WRITE_MEMORY, LinkStatus.OK, 2).encode(),
        Answer(LinkOp.READ_MEMORY, LinkStatus.OK, 3).encode() + payload,
        Answer(LinkOp.READ_REGISTER, LinkStatus.OK, 4).encode() + CONFIG.fingerprint.to_bytes(8, "little")[:4],
    ]


def test_the_boards_line_is_timed_within_what_a_receiver_takes() -> None:
    assert uart_divisor(ULX3S_25F) == 22
    with pytest.raises(ConfigError, match=r"3000000 baud of 40000000 Hz is off by \+2.6%, at most 1.5%"):
        uart_divisor(replace(ULX3S_25F, system_hz=40_000_000))


def test_a_board_whose_memory_cannot_be_served_is_refused() -> None:
    with pytest.raises(ConfigError, match="pynq-z1 has no SDRAM"):
        memory_chip(PYNQ_Z1)
    with pytest.raises(ConfigError, match="ulx3s-25f: ULX3S SDRAM takes a clock of"):
        memory_chip(replace(ULX3S_25F, system_hz=200_000_000))
