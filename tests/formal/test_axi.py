"""The bus port and the burst splitter, for every behaviour of clients and memory."""

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.hw.axi import AxiPort
from dovetail.hw.bursts import BurstSplitter
from dovetail.hw.interfaces import Axi4, ReadClient, WriteClient
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config, load_config

from .laws import holds_until_taken, stays_within_boundary
from .prove import prove

pytestmark = pytest.mark.formal

TINY = load_config("tiny")
DEPTH = 11
"""Enough for a read, a write and an abort in the middle of a burst; the cover statements show it."""


class PortProperties(wiring.Component):
    """The port between clients that keep to their signatures and a memory that keeps to AXI."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "fetch": In(ReadClient(config)),
                "load": In(ReadClient(config)),
                "store_read": In(ReadClient(config)),
                "store_write": In(WriteClient(config)),
                "axi": Out(Axi4(config)),
                "abort": In(1),
                "chosen": In(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self.seen_read, self.seen_write, self.cut_write = Signal(), Signal(), Signal()
        m.submodules.port = port = AxiPort(config)
        for name in ("fetch", "load", "store_read", "store_write", "axi"):
            inner, outer = getattr(port, name), flipped(getattr(self, name))
            connect(m, *((inner, outer) if name == "axi" else (outer, inner)))
        aborted = Signal()
        m.d.sync += aborted.eq(self.abort)
        m.d.comb += [port.abort.eq(self.abort), Assume(~aborted | self.abort)]

        for name in ("fetch", "load", "store_read", "store_write"):
            request = getattr(self, name).request
            holds_until_taken(m, request, name=f"{name}_request", assume=True)
            last = (request.payload.addr & (AXI_BOUNDARY_BYTES - 1)) + (
                request.payload.beats_minus_one * config.bus_bytes
            )
            m.d.comb += Assume(~request.valid | (request.payload.addr % config.bus_bytes == 0))
            m.d.comb += Assume(~request.valid | (last < AXI_BOUNDARY_BYTES))
        holds_until_taken(m, self.store_write.beat, name="write_beat", assume=True)

        for name in ("ar", "aw", "w"):
            holds_until_taken(m, getattr(self.axi, name), name=name)
        for channel in (self.axi.ar, self.axi.aw):
            stays_within_boundary(m, channel.valid, channel.payload.addr, channel.payload.len, config)
        self._writes_end_where_their_address_said(m)
        self._nothing_is_left_after_draining(m, port)
        return m

    def _writes_end_where_their_address_said(self, m: Module) -> None:
        """Follow one burst, chosen freely: the k-th data burst has as many beats as the k-th request asked for."""
        aw, w, b = self.axi.aw, self.axi.w, self.axi.b
        request = self.store_write.request
        wanted, asked, sent, answered = Signal(8), Signal(8), Signal(8), Signal(8)
        beats = Signal(9)
        chosen, chosen_before, begun = Signal(8), Signal(8), Signal()
        length, known = Signal(8), Signal()
        m.d.comb += chosen.eq(self.chosen)
        m.d.sync += chosen_before.eq(chosen)
        m.d.sync += begun.eq(1)
        m.d.comb += Assume(~begun | (chosen == chosen_before))
        w_done = w.valid & w.ready
        with m.If(request.valid & request.ready):
            m.d.sync += wanted.eq(wanted + 1)
            with m.If(wanted == chosen):
                m.d.sync += [length.eq(request.payload.beats_minus_one), known.eq(1)]
        with m.If(aw.valid & aw.ready):
            m.d.sync += asked.eq(asked + 1)
            with m.If(asked == chosen):
                m.d.comb += Assert(known & (aw.payload.len == length))
        with m.If(w_done):
            m.d.sync += beats.eq(Mux(w.payload.last, 0, beats + 1))
            m.d.sync += sent.eq(sent + w.payload.last)
            with m.If(sent == chosen):
                m.d.comb += Assert(known & (w.payload.last == (beats == length)))
        m.d.sync += answered.eq(answered + (b.valid & b.ready))
        m.d.comb += Assume(~b.valid | ((answered < asked) & (answered < sent)))

    def _nothing_is_left_after_draining(self, m: Module, port: AxiPort) -> None:
        """Count what the bus owes on its own, and compare with `drained`."""
        ar, r, aw, w, b = self.axi.ar, self.axi.r, self.axi.aw, self.axi.w, self.axi.b
        reads = [Signal(8, name=f"reads_{who}") for who in range(3)]
        writes = Signal(8)
        for who, count in enumerate(reads):
            up = ar.valid & ar.ready & (ar.payload.id == who)
            down = r.valid & r.ready & r.payload.last & (r.payload.id == who)
            m.d.sync += count.eq(count + up - down)
            m.d.comb += Assume(~(r.valid & (r.payload.id == who)) | (count != 0))
            m.d.comb += Assert(~port.drained | (count == 0))
        m.d.comb += Assume(~r.valid | (r.payload.id < 3))
        m.d.sync += writes.eq(writes + (aw.valid & aw.ready) - (b.valid & b.ready))
        m.d.comb += [
            Assert(~port.drained | (writes == 0)),
            Assert(~port.drained | ~(ar.valid | aw.valid)),
            Cover(port.drained & self.seen_read & self.seen_write),
            Cover(port.drained & self.cut_write),
            Cover(reads[1] == 2),
        ]
        m.d.sync += [
            self.seen_read.eq(self.seen_read | (r.valid & r.ready & ~self.abort)),
            self.seen_write.eq(self.seen_write | (b.valid & b.ready & ~self.abort)),
            self.cut_write.eq(self.cut_write | (self.abort & w.valid & w.ready & w.payload.last)),
        ]


class SplitterProperties(wiring.Component):
    """The splitter under any block and any pace."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.splitter = BurstSplitter(config)
        super().__init__(self.splitter.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.splitter = self.splitter
        connect(m, flipped(self.block), self.splitter.block)
        connect(m, self.splitter.burst, flipped(self.burst))
        burst = self.burst
        holds_until_taken(m, self.block, name="block", assume=True)
        m.d.comb += Assume(~self.block.valid | ((self.block.payload.rows != 0) & (self.block.payload.row_bytes != 0)))
        holds_until_taken(m, burst, name="burst")
        stays_within_boundary(m, burst.valid, burst.payload.addr, burst.payload.beats_minus_one, self.config)
        m.d.comb += [
            Assert(~burst.valid | (burst.payload.beats_minus_one < self.config.burst_beats)),
            Cover(burst.valid & burst.payload.last & (burst.payload.beats_minus_one == self.config.burst_beats - 1)),
        ]
        return m


def test_the_port_keeps_to_axi_and_drains_completely(tmp_path: Path) -> None:
    prove(PortProperties(TINY), tmp_path, mode="bmc", depth=DEPTH)


def test_the_ports_assumptions_leave_traffic_and_draining_reachable(tmp_path: Path) -> None:
    prove(PortProperties(TINY), tmp_path, mode="cover", depth=DEPTH)


@pytest.mark.parametrize("config", [TINY, load_config("default")], ids=["tiny", "default"])
def test_bursts_stay_within_their_length_and_within_4_kb(config: Config, tmp_path: Path) -> None:
    prove(SplitterProperties(config), tmp_path, mode="bmc", depth=16)


def test_full_bursts_are_reachable(tmp_path: Path) -> None:
    prove(SplitterProperties(TINY), tmp_path, mode="cover", depth=10)
