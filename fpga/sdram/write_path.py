"""Beats to write, on their way to the pads."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4
from dovetail.isa.config import Config, clog2

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
        # Two beats in turn: that a column is written is known late in its cycle, and moves nothing but pointers.
        beats = [Signal.like(self.w.p, name=f"beat_{k}", reset_less=True) for k in range(2)]
        full, filling, using = Signal(2), Signal(), Signal()
        place = Signal(clog2(len(self.w.p.data) // self.chip.data_bits))
        current = Array(beats)[using]
        m.d.comb += [self.w.ready.eq(~full.bit_select(filling, 1)), self.valid.eq(full.bit_select(using, 1))]
        with m.If(self.w.valid & self.w.ready):
            m.d.sync += filling.eq(~filling)
        with m.If(self.write):
            m.d.sync += [place.eq(place + 1), using.eq(using ^ self.column.beat_end)]
        for k, beat in enumerate(beats):
            with m.If(self.w.valid & self.w.ready & (filling == k)):
                m.d.sync += [beat.eq(self.w.p), full[k].eq(1)]
            with m.Elif(self.write & self.column.beat_end & (using == k)):
                m.d.sync += full[k].eq(0)

        drives, strobes = Signal(), current.strb.word_select(place, len(self.dqm))
        m.d.comb += drives.eq(self.write & ~self.column.error)
        m.d.sync += [
            self.dq_o.eq(current.data.word_select(place, self.chip.data_bits)),
            self.dq_oe.eq(drives),
            self.dqm.eq(Mux(drives, ~strobes, self.quiet.replicate(len(self.dqm)))),
        ]
        return m
