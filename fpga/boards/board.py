"""What a board is, to those who build for it and to those who talk to it."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.fpga.sdram.chips import SdramChip


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a device's fabric holds.

    Attributes
    ----------
    lut:
        Look-up tables: of four inputs on ECP5, of six on Zynq.
    ff:
        Flip-flops.
    dsp:
        Multipliers: MULT18X18D on ECP5, DSP48E1 on Zynq.
    bram:
        Block memories: DP16KD of 18 kbit on ECP5, RAMB36E1 on Zynq.
    """

    lut: int
    ff: int
    dsp: int
    bram: int


@dataclass(frozen=True, kw_only=True)
class Usb:
    """How a board's serial port is told from others.

    Attributes
    ----------
    vendor, product:
        Its USB numbers.
    words:
        All of them are in the text with which it describes itself, whatever their case.
    """

    vendor: int
    product: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryFigures:
    """How a board's memory serves the accelerator, as the simulator's memory model can express it.

    Attributes
    ----------
    latency_cycles:
        Cycles of the accelerator's clock from a read's address to its first data.
    bytes_per_cycle:
        That reads and writes share.
    basis:
        Where the figures are from, for people.
    """

    latency_cycles: int
    bytes_per_cycle: int
    basis: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Attributes
    ----------
    name:
        In commands, and as the name of a device.
    title:
        For people.
    family:
        ``ecp5`` or ``zynq``.
    device, package, speed:
        The FPGA's part, its package, and its speed grade.
    clock_hz:
        Of the oscillator on the board.
    system_hz:
        The accelerator's clock that a build aims for.
    config:
        The preset that a build takes unless it is given another.
    capacity:
        Of the FPGA.
    sdram:
        The memory chip behind the FPGA's pins; None where the memory has a controller of its own.
    memory_bytes:
        What the accelerator can address of the board's memory, from address 0 on.
    memory:
        How fast it is at `system_hz`.
    baud:
        Bits a second on the serial port; 0 where there is none to the host.
    usb:
        How that port is found; None where it cannot be.
    loader:
        What openFPGALoader calls the board; None where something else programs it.
    """

    name: str
    title: str
    family: str
    device: str
    package: str
    speed: str
    clock_hz: int
    system_hz: int
    config: str
    capacity: Capacity
    sdram: SdramChip | None = None
    memory_bytes: int
    memory: MemoryFigures
    baud: int = 0
    usb: Usb | None = None
    loader: str | None = None
