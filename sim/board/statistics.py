"""What happened on a simulated board so far."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields

STATISTICS_VARIABLE = "DOVETAIL_STATISTICS"
"""Environment variable with the number of the open file in which the bench leaves the statistics."""
PAGE = 4096


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Counts since the start, as of a quarter of a second ago.

    Attributes
    ----------
    nanoseconds:
        Simulated.
    sdram_clocks:
        Edges of the SDRAM's clock.
    bytes_in, bytes_out:
        On the serial line, from the host and to it.
    framing_errors:
        Characters from the FPGA without a stop bit, or pulses too short to begin one.
    activations, reads, writes, refreshes:
        Commands to the SDRAM.
    led:
        One bit for each light.
    """

    nanoseconds: int = 0
    sdram_clocks: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    framing_errors: int = 0
    activations: int = 0
    reads: int = 0
    writes: int = 0
    refreshes: int = 0
    led: int = 0

    def save(self, file: int) -> None:
        """Leave them in an open file for `load`."""
        os.pwrite(file, json.dumps(self.__dict__).encode() + b"\n", 0)

    @classmethod
    def load(cls, file: int) -> Statistics:
        """Those in an open file; all 0 where there are none, or half of them."""
        line, end, _ = os.pread(file, PAGE, 0).partition(b"\n")
        try:
            return cls(**json.loads(line)) if end else cls()
        except ValueError:
            return cls()


COUNTERS = tuple(field.name for field in fields(Statistics) if field.name != "nanoseconds")
"""Signals of the board."""
