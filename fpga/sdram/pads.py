"""Between the controller and a chip's pins."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import clog2

from .chips import SdramChip

READ_CAPTURE = 3
"""Clocks from the controller's READ to its data on `dq_i`, beyond the CAS latency.

A READ that the controller drives in cycle n is registered in the pads and on the pins in cycle n + 1. The chip's clock
is the system's inverted, so the chip takes it in the middle of that cycle, at n + 1.5, and its data is valid around the
chip's edge at n + 1.5 + CL: since tAC after the edge before, and for tOH after it. The pads sample it there, at the
system's falling edge in cycle n + 1 + CL; a falling edge later the sample moves on, and the rising edge after that, at
n + 3 + CL, puts it on `dq_i`.
"""


class SdramPads(wiring.Signature):
    """A chip's pins, as the controller sees them through registers in the pads.

    Members
    -------
    cke, cs_n, ras_n, cas_n, we_n, ba, a, dqm: Out
        On the pins in the next cycle.
    dq_o, dq_oe: Out
        As well: what is driven, and whether.
    dq_i: In
        What the pins showed in the middle of an earlier cycle; see `READ_CAPTURE`.
    """

    def __init__(self, chip: SdramChip) -> None:
        super().__init__(
            {
                "cke": Out(1),
                "cs_n": Out(1, init=1),
                "ras_n": Out(1, init=1),
                "cas_n": Out(1, init=1),
                "we_n": Out(1, init=1),
                "ba": Out(clog2(chip.banks)),
                "a": Out(chip.row_bits),
                "dqm": Out(chip.data_bits // 8, init=(1 << chip.data_bits // 8) - 1),
                "dq_o": Out(chip.data_bits),
                "dq_oe": Out(1),
                "dq_i": In(chip.data_bits),
            }
        )
