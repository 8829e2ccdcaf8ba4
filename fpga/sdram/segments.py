"""AXI bursts, cut at the chip's rows."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import AXI_ID_BITS, AXI_LEN_BITS
from dovetail.isa.config import BYTE_BITS, DRAM_ADDRESS_BITS, Config, clog2

from .chips import SdramChip


class Geometry:
    """How the bus's beats lie in a chip: consecutive beats fill a row of a bank, then the same row of the next bank.

    Attributes
    ----------
    lanes:
        Columns of a beat.
    beat_bits:
        Number the beats of a row.
    bank_bits, row_bits:
        Number the banks, and the rows of one.
    address_lsb:
        Of a byte address, where the beat's number begins.
    address_bits:
        Of a byte address within the chip.

    Raises
    ------
    ValueError:
        The chip cannot serve the bus.
    """

    def __init__(self, config: Config, chip: SdramChip) -> None:
        self.lanes = config.bus_bits // chip.data_bits
        self.beat_bits = chip.column_bits - clog2(self.lanes)
        if self.lanes < 2 or self.beat_bits < 1:
            raise ValueError(f"{chip.name}, {chip.data_bits} bits wide, cannot serve a bus of {config.bus_bits} bits")
        self.bank_bits = clog2(chip.banks)
        self.row_bits = chip.row_bits
        self.address_lsb = clog2(config.bus_bits // BYTE_BITS)
        self.address_bits = self.address_lsb + self.beat_bits + self.bank_bits + self.row_bits
        if self.address_bits > DRAM_ADDRESS_BITS:
            raise ValueError(f"{chip.name} has more than the {DRAM_ADDRESS_BITS} bits of an address can name")


def access() -> data.StructLayout:
    """An AXI burst of either kind."""
    return data.StructLayout(
        {"addr": unsigned(DRAM_ADDRESS_BITS), "len": unsigned(AXI_LEN_BITS), "id": unsigned(AXI_ID_BITS), "write": 1}
    )


def segment(geometry: Geometry) -> data.StructLayout:
    """The part of a burst that is in one row.

    `beat` is the first beat's place in the row. `miss`: the row is another than the bank's last. `error`: the burst is
    beyond the memory. `last`: the burst ends here.
    """
    return data.StructLayout(
        {
            "row": unsigned(geometry.row_bits),
            "bank": unsigned(geometry.bank_bits),
            "beat": unsigned(geometry.beat_bits),
            "beats_minus_one": unsigned(geometry.beat_bits),
            "id": unsigned(AXI_ID_BITS),
            "write": 1,
            "error": 1,
            "miss": 1,
            "last": 1,
        }
    )


class SegmentSplitter(wiring.Component):
    """Cuts bursts into segments, in order; up to one a cycle.

    Members
    -------
    burst: In(stream of `access`)
        Within 4 KB, so that it is wholly in the memory if its first beat is.
    segment: Out(stream of `segment`)
    """

    def __init__(self, config: Config, chip: SdramChip) -> None:
        self.chip = chip
        self.geometry = Geometry(config, chip)
        super().__init__(
            {"burst": In(stream.Signature(access())), "segment": Out(stream.Signature(segment(self.geometry)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        burst, part = self.burst, self.segment.payload
        valid = Signal()
        place = Signal(g.bank_bits + g.row_bits)
        beat = Signal(g.beat_bits)
        beats_minus_one = Signal(AXI_LEN_BITS)
        last_beat = Signal(max(AXI_LEN_BITS, g.beat_bits) + 1)
        ends, taken = Signal(), Signal()
        rows = Array(Signal(g.row_bits, name=f"row_{k}") for k in range(self.chip.banks))

        m.d.comb += [
            last_beat.eq(beat + beats_minus_one),
            ends.eq(last_beat[g.beat_bits :] == 0),
            part.row.eq(place[g.bank_bits :]),
            part.bank.eq(place[: g.bank_bits]),
            part.beat.eq(beat),
            part.beats_minus_one.eq(Mux(ends, beats_minus_one, ~beat)),
            part.miss.eq(rows[part.bank] != part.row),
            part.last.eq(ends),
            self.segment.valid.eq(valid),
            taken.eq(valid & self.segment.ready),
            burst.ready.eq(~valid | (taken & ends)),
        ]
        with m.If(burst.ready):
            address = burst.payload.addr[g.address_lsb :]
            m.d.sync += [
                valid.eq(burst.valid),
                Cat(beat, place).eq(address),
                beats_minus_one.eq(burst.payload.len),
                part.id.eq(burst.payload.id),
                part.write.eq(burst.payload.write),
                part.error.eq(burst.payload.addr[g.address_bits :].any()),
            ]
        with m.Elif(taken):
            m.d.sync += [
                place.eq(place + 1),
                beat.eq(0),
                beats_minus_one.eq(Cat(last_beat[: g.beat_bits], last_beat[g.beat_bits :] - 1)),
            ]
        with m.If(taken & ~part.error):
            m.d.sync += rows[part.bank].eq(part.row)
        return m
