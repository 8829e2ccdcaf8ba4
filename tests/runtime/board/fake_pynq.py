"""A stand-in for the package `pynq`: its calls that the driver uses, in front of a machine without time.

What the processor writes stays in its cache until it is flushed, and what the machine writes is not seen until the
cache is invalidated.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from dovetail.fpga.boards import ACCELERATOR
from dovetail.isa.config import Config
from dovetail.isa.registers import Register

from .model import Machine

REGISTERS = 0x43C0_0000
DRAM_BYTES = 4 << 20


class FakePynq(ModuleType):
    """A Zynq board whose fabric holds a machine of `config` when a bitstream was loaded.

    Attributes
    ----------
    physical:
        Where the next allocation lies in `dram`.
    blocks:
        The addressable blocks of every bitstream.
    loaded:
        The last bitstream.
    """

    def __init__(self, config: Config) -> None:
        super().__init__("pynq")
        self.config = config
        self.dram = np.full(DRAM_BYTES, 0xA5, np.uint8)
        self.physical = 0x10_0000
        self.blocks = {ACCELERATOR: {"phys_addr": REGISTERS, "addr_range": 4096}}
        self.loaded = ""
        self.freed = 0

    def Overlay(self, bitfile_name: str) -> Any:  # noqa: N802
        overlay = ModuleType("overlay")
        self.loaded, self.machine = bitfile_name, BasedMachine(self.config, self.dram, self.physical)
        overlay.ip_dict = self.blocks  # type: ignore[attr-defined]
        return overlay

    def MMIO(self, base_addr: int, length: int) -> BasedMachine:  # noqa: N802
        assert base_addr == REGISTERS and length <= 4096
        return self.machine

    def allocate(self, shape: tuple[int], dtype: type) -> np.ndarray:
        (size,) = shape
        if self.physical + size > DRAM_BYTES:
            raise MemoryError("Failed to allocate memory")
        cached = np.zeros(size, dtype).view(CachedBuffer)
        cached.board, cached.device_address = self, self.physical
        return cached


class CachedBuffer(np.ndarray):
    """Memory as the processor sees it; parts of it know their own addresses."""

    board: FakePynq | None = None
    device_address = 0

    def __array_finalize__(self, whole: Any) -> None:
        if isinstance(whole, CachedBuffer) and whole.board is not None:
            self.board = whole.board
            self.device_address = whole.device_address + self.ctypes.data - whole.ctypes.data

    def flush(self) -> None:
        self._device[:] = np.asarray(self)

    def invalidate(self) -> None:
        np.asarray(self)[:] = self._device

    def freebuffer(self) -> None:
        assert self.board is not None
        self.board.freed += 1

    @property
    def _device(self) -> np.ndarray:
        assert self.board is not None
        return self.board.dram[self.device_address : self.device_address + self.size]


class BasedMachine(Machine):
    """A machine that adds DRAM_BASE to its addresses; only the right base leads to its memory."""

    def __init__(self, config: Config, dram: np.ndarray, base: int) -> None:
        super().__init__(config, dram[base:])
        self.base = base

    def write(self, address: int, value: int) -> None:
        assert type(address) is int and type(value) is int, "pynq takes no other integers"
        super().write(address, value)

    def start(self) -> None:
        assert self.values[Register.DRAM_BASE] == self.base
        super().start()
