"""The whole machine as a block design sees it: registers over AXI4-Lite, an AXI memory, an interrupt."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from numpy.typing import NDArray

from dovetail.isa.config import AXI_BOUNDARY_BYTES, DRAM_ADDRESS_BITS, Config
from dovetail.isa.instructions import Unit
from dovetail.isa.program import INSTRUCTION_BYTES
from dovetail.isa.registers import Cause, Control, Counter, Register, Status, counter_address

from .axi_memory import AxiMemory, pauses
from .streams import Bench

CYCLES_LIMIT = 50_000


class Channel:
    """An AXI channel whose payload is several signals; for `Bench.watch`."""

    def __init__(self, dut: Any, name: str, fields: Sequence[str]) -> None:
        self.name = name
        self.valid, self.ready = getattr(dut, f"{name}valid"), getattr(dut, f"{name}ready")
        self.fields = [getattr(dut, f"{name}{field}") for field in fields]

    def word(self) -> int:
        return hash(tuple(int(field.value) for field in self.fields))


@dataclass(frozen=True)
class Job:
    """Instruction words and the memory that they work on.

    Attributes
    ----------
    at:
        Byte address of the first word, after the image.
    base:
        `Register.DRAM_BASE`: where address 0 lies on the bus.
    """

    words: tuple[int, ...]
    image: NDArray[np.uint8]
    at: int
    base: int

    @classmethod
    def place(cls, words: Sequence[int], image: NDArray[np.uint8]) -> Job:
        """With the program at a random place behind the image, and a random base."""
        end = -(-len(image) // INSTRUCTION_BYTES) * INSTRUCTION_BYTES
        at = end + random.randrange(2 * AXI_BOUNDARY_BYTES // INSTRUCTION_BYTES) * INSTRUCTION_BYTES
        base = random.choice([0, (1 << DRAM_ADDRESS_BITS) - AXI_BOUNDARY_BYTES, random.getrandbits(DRAM_ADDRESS_BITS)])
        return cls(tuple(words), image, at, base // AXI_BOUNDARY_BYTES * AXI_BOUNDARY_BYTES)


class Machine(Bench):
    """One machine between a host and a memory.

    Attributes
    ----------
    running: int
        Cycles in which the machine was not at rest, since the last start.
    beats: dict[str, int]
        Transfers on each AXI data channel since the last start.
    """

    def __init__(self, dut: Any, config: Config, *, eagerness: float, latency: int) -> None:
        super().__init__(dut, eagerness=eagerness, clock="aclk", resets="aresetn")
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.ERROR)
        self.config = config
        self.memory = AxiMemory(dut, eagerness=eagerness, latency=latency)
        bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.host = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        write, read = self.host.write_if, self.host.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses(0.5))
        self.data_channels = {name: Channel(dut, f"m_axi_{name}", ["data"]) for name in ("r", "w")}
        self.address_channels = [Channel(dut, f"m_axi_{name}", ["addr", "len", "id"]) for name in ("ar", "aw")]
        self.observed = dut.accelerator.obs__running
        self.running, self.beats = 0, {"r": 0, "w": 0}

    async def begin(self) -> None:
        """Reset everything, and watch the machine's side of the bus from here on."""
        await self.reset()
        write_data = Channel(self.dut, "m_axi_w", ["data", "strb", "last"])
        self.start(*map(self.watch, [*self.address_channels, write_data]), self.count())

    async def count(self) -> None:
        while True:
            await self.edge
            self.running += int(self.observed.value)
            for name, channel in self.data_channels.items():
                self.beats[name] += int(channel.valid.value and channel.ready.value)

    async def read(self, register: int) -> int:
        value: int = await self.host.read_dword(register)
        return value

    async def write(self, register: int, value: int) -> None:
        await self.host.write_dword(register, value)

    async def counter(self, counter: Counter) -> int:
        return await self.read(counter_address(counter))

    async def launch(self, job: Job, *, watchdog: int = 0, length: int | None = None) -> None:
        """Put the job into memory and start it."""
        self.memory.write(job.base, job.image.tobytes())
        self.memory.write(job.base + job.at, b"".join(w.to_bytes(INSTRUCTION_BYTES, "little") for w in job.words))
        await self.write(Register.PROGRAM, job.at)
        await self.write(Register.LENGTH, len(job.words) if length is None else length)
        await self.write(Register.WATCHDOG, watchdog)
        await self.write(Register.DRAM_BASE, job.base)
        self.running, self.beats = 0, {"r": 0, "w": 0}
        await self.write(Register.CONTROL, Control.START)

    def memory_of(self, job: Job) -> bytes:
        return self.memory.read(job.base, len(job.image))

    async def interrupted(self) -> None:
        """Wait for the interrupt. From then on nothing moves on the bus."""
        await self.until(lambda: self.dut.irq.value, limit=CYCLES_LIMIT)
        for _ in range(random.randrange(1, 60)):
            await self.edge
            assert not any(channel.valid.value for channel in [*self.address_channels, *self.data_channels.values()])
            assert not self.dut.m_axi_bvalid.value

    async def outcome(self) -> tuple[Status, Cause, Unit, int]:
        """Status and error as the registers show them; the unit and index mean nothing without a cause."""
        status, error, index = [await self.read(r) for r in (Register.STATUS, Register.ERROR, Register.ERROR_INDEX)]
        return Status(status), Cause(error & 255), Unit(error >> 8), index

    async def acknowledge(self) -> None:
        await self.write(Register.CONTROL, Control.ACKNOWLEDGE)
        assert await self.read(Register.STATUS) == Status.IDLE
        assert not self.dut.irq.value
