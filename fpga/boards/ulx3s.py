"""Radiona's ULX3S: an ECP5 with an SDR SDRAM, and an FTDI FT231X for programming and as a serial port."""

from __future__ import annotations

from dataclasses import replace

from dovetail.fpga.sdram.chips import ULX3S_SDRAM
from dovetail.isa.config import BYTE_BITS

from .board import Board, Capacity, MemoryFigures, Usb

CLOCK_HZ = 25_000_000
SYSTEM_HZ = 66_666_667
"""The oscillator's clock times 8/3."""
BAUD = 3_000_000
"""The fastest that an FT231X takes."""
MEMORY = MemoryFigures(
    latency_cycles=22,
    bytes_per_cycle=ULX3S_SDRAM.data_bits // BYTE_BITS,
    basis="the SDRAM controller in simulation: 22 cycles at most, 1.95 bytes a cycle with refresh",
)
USB = Usb(vendor=0x0403, product=0x6015, words=("ULX3S",))

ULX3S_85F = Board(
    name="ulx3s-85f",
    title="ULX3S with an LFE5U-85F",
    family="ecp5",
    device="LFE5U-85F",
    package="CABGA381",
    speed="6",
    clock_hz=CLOCK_HZ,
    system_hz=SYSTEM_HZ,
    config="narrow",
    capacity=Capacity(lut=83640, ff=83640, dsp=156, bram=208),
    sdram=ULX3S_SDRAM,
    memory_bytes=ULX3S_SDRAM.memory_bytes,
    memory=MEMORY,
    baud=BAUD,
    usb=USB,
    loader="ulx3s",
)

ULX3S_25F = replace(
    ULX3S_85F,
    name="ulx3s-25f",
    title="ULX3S with an LFE5U-25F",
    device="LFE5U-25F",
    config="small",
    capacity=Capacity(lut=24288, ff=24288, dsp=28, bram=56),
)
