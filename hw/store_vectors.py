"""The store unit's way to the accumulators."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import BYTE_BITS, Config
from dovetail.isa.instructions import COLS_BITS, ROWS_BITS

from .room import Room


def walk(config: Config) -> data.StructLayout:
    """Accumulators to read: `rows` rows of `cols` vectors, from `first` on, each row `stride` after the one before."""
    return data.StructLayout(
        {
            "first": unsigned(config.acc_index_bits),
            "stride": unsigned(config.acc_index_bits),
            "rows": unsigned(ROWS_BITS),
            "cols": unsigned(COLS_BITS),
        }
    )


def vector(config: Config) -> data.StructLayout:
    """An accumulator vector, and whether it is the last of its row and of all."""
    return data.StructLayout({"acc": config.acc_bytes * BYTE_BITS, "row_end": 1, "last": 1})


def entries(config: Config) -> int:
    """Vectors that are used or wait."""
    return 2 if config.out_lanes < config.batch * config.block_out else 3


class VectorReader(wiring.Component):
    """Reads accumulator vectors ahead of their use: one waits while another is used.

    From the use of a vector it is two cycles until the next has come in its place. With as many `entries` vectors
    follow each other as fast as they are used: every other cycle at most, or each when a vector is used all at once.

    Members
    -------
    walk: In(stream of `walk`)
    vector: Out(stream of `vector`)
    acc_request: Out(1)
        Accumulator `acc_index` is to be read. Held, with the index, until `acc_grant`.
    acc_index: Out
    acc_grant: In(1)
    acc_data: In
        What was asked for, in the cycle after `acc_request` and `acc_grant`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries = entries(config)
        super().__init__(
            {
                "walk": In(stream.Signature(walk(config))),
                "vector": Out(stream.Signature(vector(config))),
                "acc_request": Out(1),
                "acc_index": Out(config.acc_index_bits),
                "acc_grant": In(1),
                "acc_data": In(config.acc_bytes * BYTE_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        job = Signal(walk(config), reset_less=True)
        walking = Signal()
        row_first = Signal(config.acc_index_bits, reset_less=True)
        rows_left, cols_left = Signal(ROWS_BITS, reset_less=True), Signal(COLS_BITS, reset_less=True)
        granted, row_end, last = Signal(), Signal(), Signal()
        arriving, arrival = Signal(), Signal(vector(config))
        entries = [Signal(vector(config), name=f"entry_{k}", reset_less=True) for k in range(self.entries)]
        full = Signal(self.entries)
        filling, using, uses = Signal(range(self.entries)), Signal(range(self.entries)), Signal()

        m.d.comb += [
            self.walk.ready.eq(~walking),
            uses.eq(self.vector.valid & self.vector.ready),
            granted.eq(self.acc_request & self.acc_grant),
            row_end.eq(cols_left == 0),
            last.eq(row_end & (rows_left == 0)),
        ]
        with m.If(self.walk.valid & self.walk.ready):
            m.d.sync += [
                walking.eq(1),
                job.eq(self.walk.payload),
                row_first.eq(self.walk.payload.first),
                self.acc_index.eq(self.walk.payload.first),
                rows_left.eq(self.walk.payload.rows - 1),
                cols_left.eq(self.walk.payload.cols - 1),
            ]
        with m.Elif(granted):
            m.d.sync += [walking.eq(~last), self.acc_index.eq(self.acc_index + 1), cols_left.eq(cols_left - 1)]
            with m.If(row_end):
                m.d.sync += [
                    rows_left.eq(rows_left - 1),
                    cols_left.eq(job.cols - 1),
                    row_first.eq(row_first + job.stride),
                    self.acc_index.eq(row_first + job.stride),
                ]

        # No more vectors are on their way than there are entries for.
        room = Room(self.entries, name="entries")
        room.count(m, taken=granted, ended=uses)
        m.d.comb += self.acc_request.eq(walking & ~room.full)
        m.d.sync += arriving.eq(granted)
        with m.If(granted):
            m.d.sync += [arrival.row_end.eq(row_end), arrival.last.eq(last)]

        new = Signal(vector(config))
        m.d.comb += [
            new.eq(arrival),
            new.acc.eq(self.acc_data),
            self.vector.valid.eq(full.bit_select(using, 1)),
            self.vector.payload.eq(Array(entries)[using]),
        ]
        with m.If(arriving):
            m.d.sync += filling.eq(Mux(filling == self.entries - 1, 0, filling + 1))
        with m.If(uses):
            m.d.sync += using.eq(Mux(using == self.entries - 1, 0, using + 1))
        for k, entry in enumerate(entries):
            with m.If(arriving & (filling == k)):
                m.d.sync += [entry.eq(new), full[k].eq(1)]
            with m.Elif(uses & (using == k)):
                m.d.sync += full[k].eq(0)
        return m
