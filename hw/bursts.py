"""Rows of bytes in DRAM, cut into AXI bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, clog2
from dovetail.isa.instructions import COLS_BITS, ROWS_BITS, Buffer, entry_bytes

from .interfaces import AXI_LEN_BITS
from .skid import SkidBuffer


def row_bits(config: Config) -> int:
    """Bits that hold the bytes of the longest row that an instruction can name."""
    return COLS_BITS + clog2(max(entry_bytes(config, buffer) for buffer in Buffer))


def block(config: Config) -> data.StructLayout:
    """A 2-D block: `rows` rows of `row_bytes` bytes, from byte `addr` on, each `pitch` bytes after the one before."""
    return data.StructLayout(
        {
            "addr": unsigned(DRAM_ADDRESS_BITS),
            "row_bytes": unsigned(row_bits(config)),
            "rows": unsigned(ROWS_BITS),
            "pitch": unsigned(DRAM_ADDRESS_BITS),
        }
    )


def piece() -> data.StructLayout:
    """A burst as `interfaces.burst` has it, and whether it is the last of its block."""
    return data.StructLayout(
        {"addr": unsigned(DRAM_ADDRESS_BITS), "beats_minus_one": unsigned(AXI_LEN_BITS), "last": 1}
    )


class BurstSplitter(wiring.Component):
    """Names the bursts that cover a block's rows, in order; one a cycle once started.

    A burst covers beats of one row only, and ends at the row's end or at the next multiple of ``burst_beats`` beats.
    As those multiples divide 4096 bytes, no burst crosses a 4 KB boundary. The first and the last burst of a row
    cover the whole of a beat that the row shares with its surroundings. Addresses are modulo 2**32.

    Members
    -------
    block: In(stream of `block`)
        `rows` and `row_bytes` are not 0.
    burst: Out(stream of `piece`)
        Addresses are multiples of the bus's bytes.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__({"block": In(stream.Signature(block(config))), "burst": Out(stream.Signature(piece()))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat_lsb = clog2(self.config.bus_bytes)
        chunk_bits = clog2(self.config.burst_beats)
        beat_bits = DRAM_ADDRESS_BITS - beat_lsb

        rows_valid, cut_valid = Signal(), Signal()
        row_addr = Signal(DRAM_ADDRESS_BITS, reset_less=True)
        span = Signal(row_bits(self.config), reset_less=True)
        pitch = Signal(DRAM_ADDRESS_BITS, reset_less=True)
        rows_left = Signal(ROWS_BITS, reset_less=True)
        first, end = Signal(beat_bits, reset_less=True), Signal(beat_bits, reset_less=True)
        last_row = Signal(reset_less=True)

        m.submodules.bursts = bursts = SkidBuffer(piece())
        connect(m, bursts.output, flipped(self.burst))
        # First and end are so close that the lower bits tell whether they are in the same burst.
        distance_bits = max(1, row_bits(self.config) - beat_lsb - chunk_bits + 1)
        compared = slice(chunk_bits, chunk_bits + distance_bits)
        burst_free, cut_free, row_end = Signal(), Signal(), Signal()
        last_within = Mux(row_end, end[:chunk_bits], self.config.burst_beats - 1) if chunk_bits else 0
        m.d.comb += [
            burst_free.eq(bursts.input.ready),
            row_end.eq(first[compared] == end[compared]),
            cut_free.eq(~cut_valid | (burst_free & row_end)),
            self.block.ready.eq(~rows_valid),
            bursts.input.valid.eq(cut_valid),
            bursts.input.payload.addr.eq(Cat(Const(0, beat_lsb), first)),
            bursts.input.payload.beats_minus_one.eq(last_within - first[:chunk_bits]),
            bursts.input.payload.last.eq(row_end & last_row),
        ]

        with m.If(self.block.valid & self.block.ready):
            m.d.sync += [
                rows_valid.eq(1),
                row_addr.eq(self.block.payload.addr),
                span.eq(self.block.payload.row_bytes - 1),
                pitch.eq(self.block.payload.pitch),
                rows_left.eq(self.block.payload.rows - 1),
            ]

        with m.If(cut_free):
            m.d.sync += cut_valid.eq(rows_valid)
            with m.If(rows_valid):
                m.d.sync += [
                    rows_valid.eq(rows_left != 0),
                    rows_left.eq(rows_left - 1),
                    row_addr.eq(row_addr + pitch),
                    first.eq(row_addr[beat_lsb:]),
                    end.eq((row_addr + span)[beat_lsb:]),
                    last_row.eq(rows_left == 0),
                ]
        with m.Elif(burst_free):
            m.d.sync += first.eq(Cat(Const(0, chunk_bits), first[chunk_bits:] + 1))
        return m
