"""Fetch, for every memory content and every pace of memory and units."""

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from dovetail.hw.fetch import FetchUnit
from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, load_config
from dovetail.isa.instructions import INSTRUCTIONS, Sync, Unit
from dovetail.isa.registers import PROGRAM_INDEX_BITS

from .laws import holds_until_taken, stays_within_boundary
from .prove import prove

pytestmark = pytest.mark.formal

DEPTH = 18
"""Enough for two instructions to come and go, also over a 64-bit bus; the cover statements show it."""


def is_instruction_of(word: Value, unit: Unit, config: Config) -> Value:
    """The word has a defined opcode of `unit`, its reserved bits are zero and its counts are not."""
    kinds = []
    for kind in INSTRUCTIONS:
        layout = kind.layout(config)
        fits = (word[:4] == kind.opcode) & (word[layout.used_bits :] == 0)
        for field in layout.fields:
            value = word[field.lsb : field.lsb + field.width]
            if field.spec.nonzero:
                fits &= value != 0
            if kind is Sync and field.name == "target":
                fits &= value == unit
        if kind is Sync or kind.home == unit:
            kinds.append(fits)
    return Cat(kinds).any()


class Properties(wiring.Component):
    """Fetch between a memory that answers what was asked, at any time with anything, and units that take at will."""

    program: In(DRAM_ADDRESS_BITS)
    length: In(PROGRAM_INDEX_BITS)
    start: In(1)
    beat_valid: In(1)
    beat_data: In(128)
    request_ready: In(1)
    unit_ready: In(3)

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.fetch = fetch = FetchUnit(config)
        request, beat = fetch.read.request, fetch.read.beat
        owed, started = Signal(16), Signal()
        program, length = Signal.like(self.program), Signal.like(self.length)
        m.d.sync += [started.eq(started | self.start), program.eq(self.program), length.eq(self.length)]
        asked = Signal(16)
        with m.If(request.valid & request.ready):
            m.d.comb += asked.eq(request.payload.beats_minus_one + 1)
        m.d.sync += owed.eq(owed + asked - beat.valid)
        m.d.comb += [
            Assume(~(self.start & started)),
            Assume(~started | ((self.program == program) & (self.length == length))),
            Assume(~self.beat_valid | (owed != 0)),
            fetch.start.eq(self.start),
            fetch.program.eq(self.program),
            fetch.length.eq(self.length),
            request.ready.eq(self.request_ready),
            beat.valid.eq(self.beat_valid),
            beat.payload.data.eq(self.beat_data),
            Assert(beat.ready),
        ]
        holds_until_taken(m, request, name="request")
        stays_within_boundary(m, request.valid, request.payload.addr, request.payload.beats_minus_one, config)

        stopped = Signal()
        m.d.sync += stopped.eq(stopped | fetch.illegal)
        for unit, port in ((Unit.LOAD, fetch.load), (Unit.COMPUTE, fetch.compute), (Unit.STORE, fetch.store)):
            m.d.comb += [
                port.ready.eq(self.unit_ready[unit]),
                Assert(~port.valid | is_instruction_of(port.payload.word, unit, config)),
                Assert(~port.valid | (~stopped & ~fetch.illegal & ~fetch.finished)),
                Cover(port.valid),
            ]
            holds_until_taken(m, port, name=unit.name.lower())
        m.d.comb += [Cover(fetch.illegal & (fetch.index == 2)), Cover(fetch.finished & (fetch.index == 2))]
        return m


@pytest.mark.parametrize(("config", "depth"), [("tiny", DEPTH), ("default", DEPTH - 4)])
def test_an_illegal_instruction_reaches_no_unit_and_nothing_follows_it(config: str, depth: int, tmp_path: Path) -> None:
    prove(Properties(load_config(config)), tmp_path, mode="bmc", depth=depth)


def test_legal_and_illegal_programs_are_both_reachable(tmp_path: Path) -> None:
    prove(Properties(load_config("tiny")), tmp_path, mode="cover", depth=DEPTH)
