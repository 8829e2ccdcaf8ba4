"""The store unit's pace: which lanes of a vector go where, and when."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import ACC_BITS, Config, clog2

from .store_vectors import vector
from .store_writes import slot


def chunk_bits(config: Config) -> int:
    """Address bits within the aligned piece of memory that a burst stays in."""
    return clog2(config.bus_bytes * config.burst_beats)


def job(config: Config) -> data.StructLayout:
    """A STORE: its format, and the lower bits of its first byte's address and of the distance of its rows."""
    bits = unsigned(chunk_bits(config))
    return data.StructLayout({"is_raw": 1, "with_residual": 1, "place": bits, "pitch": bits})


class StoreGroups(wiring.Component):
    """Divides accumulator vectors: in groups of `out_lanes` for output processing, or in beats when raw.

    A group a cycle, as long as vectors and residuals come and there is room for beats.

    Members
    -------
    start: In(1)
        Begin `job`; only while not `busy`.
    job: In
    busy: Out(1)
        Not all groups of the job have left.
    vector: In(stream of `vector`)
    residual_valid: In(1)
        The next group's residuals are there; waited for only if `with_residual`.
    residual_take: Out(1)
        They are used in this cycle.
    room: In(1)
    reserve: Out(1)
        See `StoreWrites`.
    moves: Out(1)
        A group, or beat, leaves in this cycle.
    group_valid, group:
        Accumulators for output processing; a vector's groups in order.
    beat_valid, beat:
        A beat for memory as it is.
    slot: Out(slot)
        Where either goes.
    row_end: Out(1)
        It is the last of its row.
    with_residual: Out(1)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "job": In(job(config)),
                "busy": Out(1),
                "vector": In(stream.Signature(vector(config))),
                "residual_valid": In(1),
                "residual_take": Out(1),
                "room": In(1),
                "reserve": Out(1),
                "moves": Out(1),
                "group_valid": Out(1),
                "group": Out(config.out_lanes * ACC_BITS),
                "beat_valid": Out(1),
                "beat": Out(config.bus_bits),
                "slot": Out(slot(config)),
                "row_end": Out(1),
                "with_residual": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        acc = self.vector.payload.acc
        group_bits = config.out_lanes * ACC_BITS
        groups, beats = len(acc) // group_bits, len(acc) // config.bus_bits
        lane_lsb, beat_lsb = clog2(config.out_lanes), clog2(config.bus_bytes)

        current = Signal(job(config))
        part = Signal(range(max(2, groups, beats)))
        place, row_place, next_row = (Signal(chunk_bits(config), name=n) for n in ("place", "row_place", "next_row"))
        next_place = Signal(chunk_bits(config))
        beat_end = Signal()
        step = Mux(current.is_raw, config.bus_bytes, config.out_lanes)

        # The wider of group and beat is picked first, the other from it.
        wide = Signal(max(group_bits, config.bus_bits))
        groups_in_wide, beats_in_wide = len(wide) // group_bits, len(wide) // config.bus_bits
        # A bit for each, so that none goes to all of a vector's lanes.
        chosen = Signal(len(acc) // len(wide), init=1)
        turns = Signal()

        # What is known of `part` and `place`, from the cycle before.
        part_end, beat_filled, burst_filled = Signal(), Signal(), Signal()
        last_part = Mux(current.is_raw, beats - 1, groups - 1)
        next_part = Mux(part_end, 0, part + 1)[: len(part)]
        m.d.comb += [
            next_row.eq(row_place + current.pitch),
            next_place.eq(Mux(self.row_end, next_row, place + step)),
            self.row_end.eq(part_end & self.vector.payload.row_end),
            beat_end.eq(beat_filled | self.row_end),
            self.slot.place.eq(place[lane_lsb:beat_lsb]),
            self.slot.beat_end.eq(beat_end),
            self.slot.burst_end.eq(burst_filled | self.row_end),
            self.with_residual.eq(current.with_residual),
            self.moves.eq(self.vector.valid & (~beat_end | self.room) & (~current.with_residual | self.residual_valid)),
            self.vector.ready.eq(self.moves & part_end),
            self.residual_take.eq(self.moves & current.with_residual),
            self.reserve.eq(self.moves & beat_end),
            self.group_valid.eq(self.moves & ~current.is_raw),
            self.beat_valid.eq(self.moves & current.is_raw),
            wide.eq(reduce(or_, (Mux(one, bits, 0) for one, bits in zip(chosen, _parts(acc, len(wide)), strict=True)))),
            turns.eq(
                Mux(current.is_raw, _all_ones(part[: clog2(beats_in_wide)]), _all_ones(part[: clog2(groups_in_wide)]))
            ),
            self.group.eq(pick(_parts(wide, group_bits), part % groups_in_wide)),
            self.beat.eq(pick(_parts(wide, config.bus_bits), part % beats_in_wide)),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                current.eq(self.job),
                part.eq(0),
                chosen.eq(1),
                part_end.eq(Mux(self.job.is_raw, beats == 1, groups == 1)),
                place.eq(self.job.place),
                row_place.eq(self.job.place),
                beat_filled.eq(self.job.is_raw | _all_ones(self.job.place[lane_lsb:beat_lsb])),
                burst_filled.eq(_all_ones(self.job.place[beat_lsb:])),
            ]
        with m.Elif(self.moves):
            m.d.sync += [
                part.eq(next_part),
                part_end.eq(next_part == last_part),
                place.eq(next_place),
                beat_filled.eq(current.is_raw | _all_ones(next_place[lane_lsb:beat_lsb])),
                burst_filled.eq(_all_ones(next_place[beat_lsb:])),
            ]
            with m.If(turns):
                m.d.sync += chosen.eq(chosen.rotate_left(1))
            with m.If(self.row_end):
                m.d.sync += row_place.eq(next_row)
            with m.If(part_end & self.vector.payload.last):
                m.d.sync += self.busy.eq(0)
        return m


def _all_ones(value: Value) -> Value:
    return value.all() if len(value) else Const(1)


def _parts(value: Value, width: int) -> list[Value]:
    return [value[lsb : lsb + width] for lsb in range(0, len(value), width)]


def pick(parts: list[Value], number: Value) -> Value:
    """The part of that number; `number` does not matter when there is only one."""
    return Array(parts)[number] if len(parts) > 1 else parts[0]
