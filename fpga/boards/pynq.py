"""PYNQ-Z1 and PYNQ-Z2: a Zynq-7020, whose processing system holds the memory and is the host."""

from __future__ import annotations

from dataclasses import replace

from .board import Board, Capacity, MemoryFigures

ACCELERATOR = "accelerator"
"""What block designs call the machine, and so what a driver finds it by."""

PYNQ_Z1 = Board(
    name="pynq-z1",
    title="PYNQ-Z1",
    family="zynq",
    device="xc7z020",
    package="clg400",
    speed="1",
    clock_hz=50_000_000,
    system_hz=100_000_000,
    config="default",
    capacity=Capacity(lut=53200, ff=106400, dsp=220, bram=140),
    memory_bytes=512 << 20,
    memory=MemoryFigures(
        latency_cycles=64,
        bytes_per_cycle=8,
        basis="assumed, not measured: the width of port S_AXI_HP0, and the reference memory's latency",
    ),
)
"""`clock_hz` is the processing system's; `system_hz` its FCLK_CLK0. Capacity: Zynq-7000 data sheet DS190."""

PYNQ_Z2 = replace(PYNQ_Z1, name="pynq-z2", title="PYNQ-Z2")
