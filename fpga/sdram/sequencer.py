"""Which command the chip gets next."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import AXI_ID_BITS
from dovetail.isa.config import Config, clog2

from .banks import Banks
from .chips import SdramChip, SdramClocks
from .commands import ALL_BANKS, COMMAND_BITS, Command
from .maintenance import Maintenance
from .segments import Geometry, segment


def column() -> data.StructLayout:
    """A column's place: at the end of its beat, of its burst; and whose burst, and whether it is beyond the memory."""
    return data.StructLayout({"beat_end": 1, "burst_end": 1, "error": 1, "id": unsigned(AXI_ID_BITS)})


class Sequencer(wiring.Component):
    """Serves segments in their order, a column a cycle, and meanwhile opens the row of the segment after.

    A column beyond the memory takes its cycle without a command.

    Members
    -------
    segment: In(stream of `segment`)
    command, bank, address: Out
        From registers.
    column: Out(`column`)
        Of `read` and `write`.
    read: Out(1)
        A column is read; its command leaves a cycle later.
    read_room: In(1)
        There will be room for another beat that is read.
    write: Out(1)
        A column is written; its command leaves a cycle later.
    write_valid: In(1)
        There is a column to write.
    ready: Out(1)
        The chip is initialised.
    """

    def __init__(self, config: Config, chip: SdramChip, clocks: SdramClocks) -> None:
        self.chip = chip
        self.clocks = clocks
        self.geometry = Geometry(config, chip)
        super().__init__(
            {
                "segment": In(stream.Signature(segment(self.geometry))),
                "command": Out(COMMAND_BITS, init=Command.DESELECT),
                "bank": Out(clog2(chip.banks)),
                "address": Out(chip.row_bits),
                "column": Out(column()),
                "read": Out(1),
                "read_room": In(1),
                "write": Out(1),
                "write_valid": In(1),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.banks = banks = Banks(self.chip, self.clocks)
        m.submodules.maintenance = maintenance = Maintenance(self.chip, self.clocks)
        layout = segment(self.geometry)
        now, after = Signal(layout), Signal(layout)
        now_valid, after_valid = Signal(), Signal()

        now_open, now_close = self._row_change(m, now, now_valid & ~maintenance.busy, banks, "now")
        other_bank = ~(now_valid & (now.bank == after.bank))
        after_open, after_close = self._row_change(
            m, after, after_valid & other_bank & ~maintenance.busy & ~(now_open | now_close), banks, "after"
        )
        moves_row = Signal()
        m.d.comb += moves_row.eq(now_open | now_close | after_open | after_close)

        moves, lane, finished = self._columns(m, now, now_valid & ~maintenance.busy & ~moves_row, banks)
        advance = Signal()
        m.d.comb += [
            advance.eq(~now_valid | finished),
            self.segment.ready.eq(~after_valid),
        ]
        with m.If(moves):
            m.d.sync += lane.eq(Mux(self.column.beat_end, 0, lane + 1))
            with m.If(self.column.beat_end):
                m.d.sync += [now.beat.eq(now.beat + 1), now.beats_minus_one.eq(now.beats_minus_one - 1)]
        with m.If(now_open):
            m.d.sync += now.miss.eq(0)
        with m.If(after_open):
            m.d.sync += after.miss.eq(0)
        with m.If(advance):
            m.d.sync += [now.eq(after), now.miss.eq(after.miss & ~after_open), now_valid.eq(after_valid)]
        with m.If(~after_valid):
            m.d.sync += [after.eq(self.segment.payload), after_valid.eq(self.segment.valid)]
        with m.Elif(advance):
            m.d.sync += after_valid.eq(0)

        of_after, opens, closes = Signal(), Signal(), Signal()
        m.d.comb += [
            of_after.eq(after_open | after_close),
            opens.eq(now_open | after_open),
            closes.eq(now_close | after_close),
            banks.bank.eq(Mux(of_after, after.bank, now.bank)),
            banks.activate.eq(opens),
            banks.precharge.eq(closes),
            banks.write.eq(self.write & ~now.error),
            banks.close.eq(maintenance.close),
            maintenance.closable.eq(banks.closable),
            self.ready.eq(maintenance.ready),
        ]
        column_address = Cat(lane, now.beat)
        below, above = column_address[: clog2(ALL_BANKS)], column_address[clog2(ALL_BANKS) :]
        m.d.sync += [self.command.eq(Command.NOP), self.bank.eq(banks.bank)]
        with m.If(maintenance.busy):
            m.d.sync += [self.command.eq(maintenance.command), self.address.eq(maintenance.address), self.bank.eq(0)]
        with m.Elif(opens):
            m.d.sync += [
                self.command.eq(Command.ACTIVATE),
                self.address.eq(Mux(of_after, after.row, now.row)),
            ]
        with m.Elif(closes):
            m.d.sync += [self.command.eq(Command.PRECHARGE), self.address.eq(0)]
        with m.Elif(moves & ~now.error):
            m.d.sync += [
                self.command.eq(Mux(now.write, Command.WRITE, Command.READ)),
                self.address.eq(Cat(below, Const(0, clog2(ALL_BANKS) + 1 - len(below)), above)),
            ]
        return m

    def _row_change(self, m: Module, of: data.View, allowed: Signal, banks: Banks, name: str) -> tuple[Signal, Signal]:
        """Whether a segment's row is opened in this cycle, and whether the row in its way is closed."""
        activate, precharge = Signal(name=f"{name}_activate"), Signal(name=f"{name}_precharge")
        is_open = banks.open.bit_select(of.bank, 1)
        wanted = allowed & ~of.error
        m.d.comb += [
            activate.eq(wanted & ~is_open & banks.settled.bit_select(of.bank, 1) & banks.spaced),
            precharge.eq(wanted & is_open & of.miss & banks.closable.bit_select(of.bank, 1)),
        ]
        return activate, precharge

    def _columns(self, m: Module, now: data.View, allowed: Signal, banks: Banks) -> tuple[Signal, Signal, Signal]:
        """The columns of the segment in service.

        Returns whether one is moved in this cycle, its place in its beat, and whether it is the segment's last.
        """
        moves, finished = Signal(), Signal()
        lane = Signal(clog2(self.geometry.lanes))
        row_ready, data_ready = Signal(), Signal()

        # The chip drives until tHZ after a READ's data; the cycle after that is left free as well.
        turnaround = self.clocks.cas_latency + 1
        turning = Signal(range(turnaround + 1))
        with m.If(self.read & ~now.error):
            m.d.sync += turning.eq(turnaround)
        with m.Elif(turning != 0):
            m.d.sync += turning.eq(turning - 1)

        m.d.comb += [
            row_ready.eq(
                now.error | (banks.open.bit_select(now.bank, 1) & banks.settled.bit_select(now.bank, 1) & ~now.miss),
            ),
            data_ready.eq(Mux(now.write, self.write_valid & (turning == 0), (lane != 0) | self.read_room)),
            moves.eq(allowed & row_ready & data_ready),
            self.read.eq(moves & ~now.write),
            self.write.eq(moves & now.write),
            self.column.beat_end.eq(lane == self.geometry.lanes - 1),
            self.column.burst_end.eq(self.column.beat_end & (now.beats_minus_one == 0) & now.last),
            self.column.error.eq(now.error),
            self.column.id.eq(now.id),
            finished.eq(moves & self.column.beat_end & (now.beats_minus_one == 0)),
        ]
        return moves, lane, finished
