"""The memory controller: SDR SDRAM behind AXI4."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import Axi4
from dovetail.isa.config import Config

from .chips import SdramChip
from .commands import Command
from .front import ANSWERS, AxiFront
from .pads import SdramPads
from .read_path import DECERR, OKAY, ReadPath
from .segments import SegmentSplitter
from .sequencer import Sequencer
from .write_path import WritePath


class SdramController(wiring.Component):
    """Serves AXI4 bursts from a chip, all of them in one order in which reads and writes take turns.

    A column moves in nearly every cycle of a burst, a command for each; the next segment's row is opened meanwhile.
    Refresh never waits for traffic. The answer to a write says that every read whose address is accepted from now on
    sees its data. A burst beyond the chip's memory is answered with DECERR, its full number of beats, and touches
    nothing. A write's address should be followed by its data: once the first of it is there, reads wait for the rest.

    Parameters
    ----------
    config:
        Gives the bus; bursts are aligned to its beats and stay within 4 KB.
    chip:
        What is behind the pads.
    clock_hz:
        Of `sync`. Times in ns become clocks with it.

    Members
    -------
    axi: In(Axi4)
        Served from when the chip is ready; accepted before.
    pads: Out(SdramPads)
        From registers.
    ready: Out(1)
        The chip is initialised.
    activating, refreshing: Out(1)
        High in the cycle in which a row is opened, or the chip is refreshed.

    Raises
    ------
    ValueError:
        The chip cannot run at the clock or serve the bus.
    """

    def __init__(self, config: Config, chip: SdramChip, clock_hz: int) -> None:
        self.config = config
        self.chip = chip
        self.clocks = chip.at(clock_hz)
        super().__init__(
            {
                "axi": In(Axi4(config)),
                "pads": Out(SdramPads(chip)),
                "ready": Out(1),
                "activating": Out(1),
                "refreshing": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.front = front = AxiFront(self.config)
        m.submodules.splitter = splitter = SegmentSplitter(self.config, self.chip)
        m.submodules.sequencer = sequencer = Sequencer(self.config, self.chip, self.clocks)
        m.submodules.reads = reads = ReadPath(self.config, self.chip, self.clocks)
        m.submodules.writes = writes = WritePath(self.config, self.chip)
        axi, pads = self.axi, self.pads

        wiring.connect(m, wiring.flipped(axi.ar), front.ar)
        wiring.connect(m, wiring.flipped(axi.aw), front.aw)
        wiring.connect(m, wiring.flipped(axi.w), writes.w)
        wiring.connect(m, wiring.flipped(axi.r), reads.r)
        wiring.connect(m, front.burst, splitter.burst)
        wiring.connect(m, splitter.segment, sequencer.segment)
        m.d.comb += [
            front.data_waits.eq(writes.valid),
            reads.read.eq(sequencer.read),
            reads.column.eq(sequencer.column),
            reads.dq_i.eq(pads.dq_i),
            sequencer.read_room.eq(reads.room),
            writes.write.eq(sequencer.write),
            writes.column.eq(sequencer.column),
            writes.quiet.eq(~sequencer.ready),
            sequencer.write_valid.eq(writes.valid),
        ]

        m.submodules.answers = answers = SyncFIFOBuffered(width=len(axi.b.p.as_value()), depth=ANSWERS + 1)
        m.d.comb += [
            answers.w_data.eq(Cat(Mux(sequencer.column.error, DECERR, OKAY), sequencer.column.id)),
            answers.w_en.eq(sequencer.write & sequencer.column.burst_end),
            answers.r_en.eq(axi.b.ready),
            axi.b.valid.eq(answers.r_rdy),
            axi.b.p.as_value().eq(answers.r_data),
            front.answered.eq(axi.b.valid & axi.b.ready),
        ]

        m.d.sync += pads.cke.eq(1)
        m.d.comb += [
            Cat(pads.we_n, pads.cas_n, pads.ras_n, pads.cs_n).eq(sequencer.command),
            pads.ba.eq(sequencer.bank),
            pads.a.eq(sequencer.address),
            pads.dq_o.eq(writes.dq_o),
            pads.dq_oe.eq(writes.dq_oe),
            pads.dqm.eq(writes.dqm),
            self.ready.eq(sequencer.ready),
            self.activating.eq(sequencer.command == Command.ACTIVATE),
            self.refreshing.eq(sequencer.command == Command.REFRESH),
        ]
        return m
