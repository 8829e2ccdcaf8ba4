"""The multiplier array: dot products of an input vector with the rows of a weight tile."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import INP_BITS, WGT_BITS, Config, clog2


class GemmArray(wiring.Component):
    """``sums[b, o] = sum over i of inp[b, i] * wgt[o, i]``, exact, a new one every cycle.

    The sums of a cycle with `en` appear `LATENCY` cycles later and stay until the next; in between the registers rest.

    Members
    -------
    en: In(1)
        `inp` and `wgt` are to be multiplied.
    inp: In
        ``batch x block_in`` int8, element (b, i) at place ``b * block_in + i``.
    wgt: In
        ``block_out x block_in`` int8, element (o, i) at place ``o * block_in + i``.
    sums: Out
        ``batch x block_out`` signed, `sum_bits` each, element (b, o) at place ``b * block_out + o``.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sum_bits = INP_BITS + WGT_BITS + clog2(config.block_in)
        self.LATENCY = config.mul_stages + config.add_stages
        super().__init__(
            {
                "en": In(1),
                "inp": In(config.inp_bytes * 8),
                "wgt": In(config.wgt_bytes * 8),
                "sums": Out(config.batch * config.block_out * self.sum_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        levels = clog2(config.block_in)
        registered_levels = {
            levels - (levels * stage) // max(1, config.add_stages) for stage in range(config.add_stages)
        }

        enables = [self.en]
        for stage in range(self.LATENCY - 1):
            enable = Signal(name=f"en_{stage + 1}")
            m.d.sync += enable.eq(enables[-1])
            enables.append(enable)

        def register(value: Value, stage: int) -> Value:
            """`value`, a cycle later; stage 0 is the array's input."""
            held = Signal.like(value)
            with m.If(enables[stage]):
                m.d.sync += held.eq(value)
            return held

        inp, wgt = self.inp, self.wgt
        stage = 0
        if config.mul_stages > 1:
            inp, wgt = register(inp, stage), register(wgt, stage)
            stage += 1

        def dot(b: int, o: int) -> Value:
            terms: list[Value] = []
            for i in range(config.block_in):
                x = inp.word_select(b * config.block_in + i, INP_BITS).as_signed()
                w = wgt.word_select(o * config.block_in + i, WGT_BITS).as_signed()
                product: Value = x * w
                for extra in range(config.mul_stages - stage):
                    product = register(product, stage + extra)
                terms.append(product)
            at = config.mul_stages
            for level in range(1, levels + 1):
                terms = [terms[k] + terms[k + 1] for k in range(0, len(terms), 2)]
                if level in registered_levels:
                    terms = [register(term, at) for term in terms]
                    at += 1
            return terms[0]

        for b in range(config.batch):
            for o in range(config.block_out):
                place = b * config.block_out + o
                total = Signal(signed(self.sum_bits), name=f"sum_{b}_{o}")
                m.d.comb += total.eq(dot(b, o))
                m.d.comb += self.sums.word_select(place, self.sum_bits).eq(total)
        return m
