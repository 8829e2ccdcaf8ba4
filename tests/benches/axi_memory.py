"""A DRAM for the whole machine that shares no code with the simulator's: cocotbext-axi's, made irregular."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiRamRead, AxiRamWrite
from cocotbext.axi.sparse_memory import SparseMemory

from dovetail.isa.config import DRAM_ADDRESS_BITS

SPACE = 1 << DRAM_ADDRESS_BITS
DAWDLING = 0.1
"""Probability that an access takes longer."""


class BadAddressError(Exception):
    """An access that the model answers with SLVERR."""


class _Irregular:
    clock: Any
    latency: int = 0
    bad: range = range(0)

    async def _dawdle(self, address: int, size: int) -> None:
        if self.latency and random.random() < DAWDLING:
            await ClockCycles(self.clock, random.randint(1, self.latency))
        if address < self.bad.stop and self.bad.start < address + size:
            raise BadAddressError


class _Reads(_Irregular, AxiRamRead):  # type: ignore[misc]
    async def _read(self, address: int, length: int) -> bytes:
        await self._dawdle(address, length)
        data: bytes = await super()._read(address, length)
        return data


class _Writes(_Irregular, AxiRamWrite):  # type: ignore[misc]
    async def _write(self, address: int, data: bytes) -> None:
        await self._dawdle(address, len(data))
        await super()._write(address, data)


class AxiMemory:
    """4 GB behind the machine's AXI port ``m_axi``; it checks that bursts keep to AXI's rules.

    Parameters
    ----------
    eagerness:
        Probability, in each cycle, that a channel does not pause.
    latency:
        Longest time, in cycles, that an access dawdles.
    """

    def __init__(self, dut: Any, *, eagerness: float, latency: int) -> None:
        self.store = SparseMemory(SPACE)
        bus = AxiBus.from_prefix(dut, "m_axi")
        self.reads = _Reads(bus.read, dut.aclk, dut.aresetn, reset_active_level=False, mem=self.store)
        self.writes = _Writes(bus.write, dut.aclk, dut.aresetn, reset_active_level=False, mem=self.store)
        self.reads.latency = self.writes.latency = latency
        for channel in (
            self.reads.ar_channel, self.reads.r_channel,
            self.writes.aw_channel, self.writes.w_channel, self.writes.b_channel,
        ):  # fmt: skip
            channel.set_pause_generator(pauses(eagerness))

    def set_bad(self, *, reads: range = range(0), writes: range = range(0)) -> None:
        """Addresses whose reads, or writes, are answered with SLVERR from now on."""
        self.reads.bad, self.writes.bad = reads, writes

    def write(self, address: int, data: bytes) -> None:
        """Store `data` at `address` modulo 4 GB."""
        first = data[: SPACE - address % SPACE]
        self.store.write(address % SPACE, first)
        if len(first) < len(data):
            self.store.write(0, data[len(first) :])

    def read(self, address: int, size: int) -> bytes:
        first = min(size, SPACE - address % SPACE)
        return bytes(self.store.read(address % SPACE, first)) + bytes(self.store.read(0, size - first))


def pauses(eagerness: float) -> Iterator[bool]:
    """Whether to pause, for each cycle."""
    while True:
        yield random.random() >= eagerness
