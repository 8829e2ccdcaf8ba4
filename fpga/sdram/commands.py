"""Commands of SDR SDRAM."""

from __future__ import annotations

from enum import IntEnum

COMMAND_BITS = 4
ALL_BANKS = 1 << 10
"""A10: a PRECHARGE is of all banks."""
CAS_LATENCY_LSB = 4
"""Of the mode register, whose other fields are 0: sequential bursts of one column."""


class Command(IntEnum):
    """CS#, RAS#, CAS#, WE# from the highest bit to the lowest."""

    MODE = 0b0000
    REFRESH = 0b0001
    PRECHARGE = 0b0010
    ACTIVATE = 0b0011
    WRITE = 0b0100
    READ = 0b0101
    NOP = 0b0111
    DESELECT = 0b1111
