"""Queues and skid buffers, as counts of what they hold."""

from __future__ import annotations

from typing import Any

from .compiled import registers, step

FIFO = registers("inner", "out")
"""Amaranth's ``SyncFIFOBuffered``: what its memory holds, and whether its output register is full."""
SKID = registers("out", "spare")
"""`hw.skid.SkidBuffer`."""


@step
def fifo_step(fifo: Any, writes: int, reads: int) -> None:
    """A cycle in which something `writes` and something `reads`, each only where it may."""
    moves = fifo.inner > 0 and (fifo.out == 0 or reads)
    if moves:
        fifo.out = 1
        fifo.inner -= 1
    elif reads:
        fifo.out = 0
    if writes:
        fifo.inner += 1


@step
def skid_step(skid: Any, valid: int, ready: int) -> None:
    """A cycle in which the input is `valid` and the output's taker is `ready`."""
    if skid.out == 0 or ready:
        skid.out = 1 if (skid.spare or valid) else 0
        skid.spare = 0
    elif valid:
        skid.spare = 1
