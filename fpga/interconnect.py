"""Two AXI4 masters in front of one memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.hw.axi import AxiId
from dovetail.hw.interfaces import Axi4, level_bits
from dovetail.hw.skid import SkidBuffer
from dovetail.isa.config import Config

LINK_ID = max(AxiId) + 1
"""Of the link's transactions; the accelerator has those of `AxiId`."""
PATIENCE = 8
"""Bursts of the accelerator that may pass a waiting one of the link, on each address channel."""
OWED = 16
"""Write bursts whose data may be outstanding."""


class AxiJoin(wiring.Component):
    """Joins the accelerator and the link; the accelerator goes first, but passes the link `PATIENCE` times at most.

    Everything passes without a clock's delay but for data, which comes from far: what was read, and what the
    accelerator writes. Data to write follows in the order of the addresses.

    Members
    -------
    accelerator: In(Axi4)
        With ids of `AxiId`.
    link: In(Axi4)
        With any id; the answers have `LINK_ID`.
    memory: Out(Axi4)
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {"accelerator": In(Axi4(config)), "link": In(Axi4(config)), "memory": Out(Axi4(config))},
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.owed = owed = SyncFIFO(width=1, depth=OWED)
        self._addresses(m, self.accelerator.ar, self.link.ar, self.memory.ar, Const(1), "read")
        turn = self._addresses(m, self.accelerator.aw, self.link.aw, self.memory.aw, owed.w_rdy, "write")
        m.submodules.written = written = SkidBuffer(self.memory.w.p.shape())
        connect(m, flipped(self.accelerator.w), written.input)
        self._data(m, owed.r_rdy & ~owed.r_data, written.output)
        self._data(m, owed.r_rdy & owed.r_data, self.link.w)
        w = self.memory.w
        m.d.comb += [
            owed.w_data.eq(turn),
            owed.w_en.eq(self.memory.aw.valid & self.memory.aw.ready),
            owed.r_en.eq(w.valid & w.ready & w.p.last),
        ]
        m.submodules.read = read = SkidBuffer(self.memory.r.p.shape())
        connect(m, flipped(self.memory.r), read.input)
        self._answers(m, self.accelerator.r, self.link.r, read.output)
        self._answers(m, self.accelerator.b, self.link.b, self.memory.b)
        return m

    def _addresses(self, m: Module, accelerator: Any, link: Any, memory: Any, room: Value, name: str) -> Signal:
        """An address channel. Returns whether it is the link's turn, which it stays while its address waits."""
        turn = Signal(name=f"{name}_turn")
        offered, held = Signal(name=f"{name}_offered"), Signal(name=f"{name}_held")
        passed = Signal(level_bits(PATIENCE), name=f"{name}_passed")
        m.d.sync += [offered.eq(memory.valid & ~memory.ready), held.eq(turn)]
        m.d.comb += [
            turn.eq(Mux(offered, held, link.valid & (~accelerator.valid | (passed == PATIENCE)))),
            memory.valid.eq(Mux(turn, link.valid, accelerator.valid) & room),
            memory.p.addr.eq(Mux(turn, link.p.addr, accelerator.p.addr)),
            memory.p.len.eq(Mux(turn, link.p.len, accelerator.p.len)),
            memory.p.id.eq(Mux(turn, LINK_ID, accelerator.p.id)),
            accelerator.ready.eq(memory.ready & room & ~turn),
            link.ready.eq(memory.ready & room & turn),
        ]
        with m.If(memory.valid & memory.ready):
            m.d.sync += passed.eq(Mux(turn | ~link.valid, 0, passed + 1))
        return turn

    def _data(self, m: Module, owes: Value, master: Any) -> None:
        w = self.memory.w
        with m.If(owes):
            m.d.comb += [w.valid.eq(master.valid), w.p.eq(master.p), master.ready.eq(w.ready)]

    def _answers(self, m: Module, accelerator: Any, link: Any, memory: Any) -> None:
        of_link = memory.p.id == LINK_ID
        m.d.comb += [
            accelerator.p.eq(memory.p),
            accelerator.valid.eq(memory.valid & ~of_link),
            link.p.eq(memory.p),
            link.valid.eq(memory.valid & of_link),
            memory.ready.eq(Mux(of_link, link.ready, accelerator.ready)),
        ]
