"""A register in a stream that keeps the two sides' timing apart."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, ShapeCastable, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Passes a stream on a cycle later, a transfer a cycle; `ready` of the input is a register as `output` is.

    Parameters
    ----------
    shape:
        Of the payload.

    Members
    -------
    input: In(stream)
    output: Out(stream)
    """

    def __init__(self, shape: Shape | ShapeCastable) -> None:
        signature = stream.Signature(shape)
        super().__init__({"input": In(signature), "output": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spare = Signal.like(self.input.payload, reset_less=True)
        payload = Signal.like(self.input.payload, reset_less=True)
        spare_valid = Signal()
        m.d.comb += [self.input.ready.eq(~spare_valid), self.output.payload.eq(payload)]
        with m.If(~spare_valid):
            m.d.sync += spare.eq(self.input.payload)
        with m.If(~self.output.valid | self.output.ready):
            m.d.sync += [
                self.output.valid.eq(spare_valid | self.input.valid),
                payload.eq(Mux(spare_valid, spare, self.input.payload)),
                spare_valid.eq(0),
            ]
        with m.Elif(self.input.valid):
            m.d.sync += spare_valid.eq(1)
        return m
