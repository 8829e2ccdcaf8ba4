"""The records that finish a block of channels: what PARAM read, group by group."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import PARAM_RECORD_BYTES, Config

from .output import record


class StoreRecords(wiring.Component):
    """A ring of records for each output lane.

    Groups of channels come in order and a vector has them all, so the rings turn once for each vector and nothing has
    to be picked. PARAM's records come in the same way.

    Members
    -------
    beat_valid, beat:
        Data of a PARAM; only while no group is in output processing.
    last: Out(1)
        It is the last of its PARAM.
    turn: In(1)
        A group enters output processing.
    record: Out
        That group's, in the cycle after.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "beat_valid": In(1),
                "beat": In(config.bus_bits),
                "last": Out(1),
                "turn": In(1),
                "record": Out(data.ArrayLayout(record(), config.out_lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        beats_per_record = max(1, PARAM_RECORD_BYTES // config.bus_bytes)
        beats = config.block_out * beats_per_record
        size = record().size

        number = Signal(range(beats))
        earlier = Signal(config.bus_bits, reset_less=True)
        filling, arrived = Signal(), Signal(size, reset_less=True)
        arriving = Cat(earlier if beats_per_record > 1 else [], self.beat)
        record_end = self.beat_valid & (number % beats_per_record == beats_per_record - 1)
        lane = number // beats_per_record % config.out_lanes
        m.d.comb += self.last.eq(self.beat_valid & (number == beats - 1))
        with m.If(self.beat_valid):
            m.d.sync += [number.eq(number + 1), earlier.eq(self.beat)]
        # Beats and groups are known late in their cycle, and move all rings.
        m.d.sync += [filling.eq(self.beat_valid), arrived.eq(arriving[:size])]
        for k in range(config.out_lanes):
            moves = Signal(name=f"moves_{k}")
            m.d.sync += moves.eq(self.turn | (record_end & (lane == k)))
            m.d.comb += self.record[k].eq(self._ring(m, k, moves, filling, arrived))
        return m

    def _ring(self, m: Module, number: int, moves: Signal, filling: Signal, arrived: Signal) -> Signal:
        """The record that a ring is at; when it moves, `arrived` may take its place.

        A memory whose address moves: registers would each have a wire to the next. No program sees where it stands.
        """
        depth = self.config.block_out // self.config.out_lanes
        shown = Signal.like(arrived, name=f"record_{number}")
        if depth == 1:
            with m.If(moves & filling):
                m.d.sync += shown.eq(arrived)
            return shown
        m.submodules[f"ring_{number}"] = ring = memory.Memory(shape=len(arrived), depth=depth, init=[])
        read, write = ring.read_port(domain="comb"), ring.write_port()
        at = Signal(range(depth), name=f"at_{number}", reset_less=True)
        m.d.comb += [
            read.addr.eq(at + 1),
            write.addr.eq(at),
            write.data.eq(arrived),
            write.en.eq(moves & filling),
        ]
        with m.If(moves):
            m.d.sync += [at.eq(at + 1), shown.eq(read.data)]
        return shown
