"""A request's access to a register, over AXI4-Lite."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.hw.interfaces import REGISTER_ADDRESS_BITS, Axi4Lite
from dovetail.isa.registers import REGISTER_BITS


class RegisterAccess(wiring.Component):
    """Reads or writes one register.

    Members
    -------
    start: In(1)
        Begin; only when none is going on.
    writing, address, value: In
        With `start`.
    done: Out(1)
        High for a cycle when the register has answered.
    error: Out(1)
        With `done`: the answer was SLVERR or DECERR.
    result: Out(32)
        From `done` to the next: what was read.
    bus: Out(Axi4Lite)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "writing": In(1),
                "address": In(REGISTER_ADDRESS_BITS),
                "value": In(REGISTER_BITS),
                "done": Out(1),
                "error": Out(1),
                "result": Out(REGISTER_BITS),
                "bus": Out(Axi4Lite()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ar, r, aw, w, b = self.bus.ar, self.bus.r, self.bus.aw, self.bus.w, self.bus.b
        answered = Signal()
        m.d.comb += [r.ready.eq(1), b.ready.eq(1), answered.eq(r.valid | b.valid)]
        m.d.sync += self.done.eq(answered)
        with m.If(answered):
            m.d.sync += self.error.eq(Mux(r.valid, r.payload.resp[1], b.payload[1]))
        with m.If(r.valid):
            m.d.sync += self.result.eq(r.payload.data)
        for request, payload, when in (
            (ar, self.address, ~self.writing),
            (aw, self.address, self.writing),
            (w, self.value, self.writing),
        ):
            with m.If(request.ready):
                m.d.sync += request.valid.eq(0)
            with m.If(self.start):
                m.d.sync += [request.valid.eq(when), request.payload.eq(payload)]
        return m
