"""A Zynq board from its own processor, with PYNQ: the way to a machine whose memory is a part of the processor's."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.fpga.boards import ACCELERATOR, Board
from dovetail.isa.config import AXI_BOUNDARY_BYTES
from dovetail.isa.registers import REGISTER_SPACE, Control, Register
from dovetail.runtime.errors import DeviceUnavailable

from .connection import Moved

RESERVED_BYTES = 64 << 20
"""Half of the contiguous memory that PYNQ's images keep for the fabric."""


class PynqConnection:
    """Loads a bitstream, and reaches the machine in it through PYNQ; see `Connection`.

    Parameters
    ----------
    bitstream:
        A ``.bit`` file that lies beside its ``.hwh``, as the project of `fpga.vivado` makes them.
    memory_bytes:
        How much contiguous memory to reserve for programs and their data.

    Raises
    ------
    DeviceUnavailable:
        PYNQ is not here, the bitstream is not one of ours, or there is not so much memory.
    """

    def __init__(self, board: Board, bitstream: str | Path, *, memory_bytes: int = RESERVED_BYTES) -> None:
        self.name = f"{board.name} ({Path(bitstream).name})"
        self.memory_bytes = memory_bytes
        self.round_trip = 0.0
        pynq = _pynq(board)
        self._overlay = self._load(pynq, Path(bitstream))
        self._registers = pynq.MMIO(self._overlay.ip_dict[ACCELERATOR]["phys_addr"], REGISTER_SPACE)
        self._buffer: Any = self._reserve(pynq)
        self._base = int(self._buffer.device_address)
        if self._base % AXI_BOUNDARY_BYTES:
            raise DeviceUnavailable(
                f"{self.name}: PYNQ reserved memory at {self._base:#x}, which is no multiple of {AXI_BOUNDARY_BYTES}; "
                "close what else uses PYNQ and try again"
            )

    def read_memory(self, address: int, nbytes: int, moved: Moved) -> npt.NDArray[np.uint8]:
        part = self._buffer[address : address + nbytes]
        part.invalidate()
        moved(nbytes)
        return np.array(part)

    def write_memory(self, address: int, data: npt.NDArray[np.uint8], moved: Moved) -> None:
        part = self._buffer[address : address + data.size]
        part[:] = data
        part.flush()
        moved(data.size)

    def read_register(self, address: int) -> int:
        return int(self._registers.read(int(address)))

    def write_register(self, address: int, value: int) -> None:
        if address == Register.CONTROL and value & Control.START:
            # Every reset clears the base, so it is written before each start.
            self._registers.write(int(Register.DRAM_BASE), self._base)
        self._registers.write(int(address), int(value))

    def close(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.freebuffer()

    def _load(self, pynq: ModuleType, bitstream: Path) -> Any:
        for path in (bitstream, bitstream.with_suffix(".hwh")):
            if not path.is_file():
                raise DeviceUnavailable(f"{path}: there is no such file; copy the .bit and the .hwh of a build here")
        try:
            overlay = pynq.Overlay(str(bitstream.resolve()))
        except (OSError, RuntimeError, ValueError) as error:
            raise DeviceUnavailable(f"{bitstream}: PYNQ cannot load it: {error}") from None
        if ACCELERATOR not in overlay.ip_dict:
            raise DeviceUnavailable(
                f"{bitstream}: its design has no block {ACCELERATOR!r}; use a bitstream of dovetail fpga build"
            )
        return overlay

    def _reserve(self, pynq: ModuleType) -> Any:
        try:
            return pynq.allocate(shape=(self.memory_bytes,), dtype=np.uint8)
        except (MemoryError, OSError, RuntimeError) as error:
            raise DeviceUnavailable(
                f"{self.name}: there are no {self.memory_bytes} bytes of contiguous memory ({error}); "
                "close what else uses PYNQ, or ask for fewer with memory_bytes"
            ) from None


def _pynq(board: Board) -> ModuleType:
    try:
        return importlib.import_module("pynq")
    except ImportError:
        raise DeviceUnavailable(
            f"{board.name} is driven by its own processor, and package pynq is not here: run this on the board"
        ) from None
