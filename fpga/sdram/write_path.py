"""Beats to write, on their way to the pads."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4
from dovetail.isa.config import Config

from .chips import SdramChip
from .sequencer import column


class WritePath(wiring.Component):
    """Cuts beats into columns. A second beat waits while the first is cut.

    Members
    -------
    w: In(stream)
        As of `Axi4`; its `last` is not looked at.
    write: In(1)
        The column is taken; only while `valid`.
    column: In(`column`)
    valid: Out(1)
        There is a column.
    quiet: In(1)
        `dqm` is held high.
    dq_o, dq_oe, dqm: Out
        From registers, with the column's WRITE.
    """

    def __init__(self, config: Config, chip: SdramChip) -> None:
        self.chip = chip
        super().__init__(
            {
                "w": In(Axi4(config).members["w"].signature),
                "write": In(1),
                "column": In(column()),
                "valid": Out(1),
                "quiet": In(1),
                "dq_o": Out(chip.data_bits),
                "dq_oe": Out(1),
                "dqm": Out(chip.data_bits // 8, init=-1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        columns, waiting = Signal.like(self.w.p), Signal.like(self.w.p)
        waits, refill = Signal(), Signal()
        m.d.comb += [
            self.w.ready.eq(~waits),
            refill.eq(~self.valid | (self.write & self.column.beat_end)),
        ]
        with m.If(self.w.ready):
            m.d.sync += [waiting.eq(self.w.p), waits.eq(self.w.valid)]
        with m.Elif(refill):
            m.d.sync += waits.eq(0)
        with m.If(refill):
            m.d.sync += [columns.eq(waiting), self.valid.eq(waits)]
        with m.Elif(self.write):
            m.d.sync += [
                columns.data.eq(columns.data >> self.chip.data_bits),
                columns.strb.eq(columns.strb >> len(self.dqm)),
            ]

        drives = Signal()
        m.d.comb += drives.eq(self.write & ~self.column.error)
        m.d.sync += [
            self.dq_o.eq(columns.data[: self.chip.data_bits]),
            self.dq_oe.eq(drives),
            self.dqm.eq(Mux(drives, ~columns.strb[: len(self.dqm)], self.quiet.replicate(len(self.dqm)))),
        ]
        return m
