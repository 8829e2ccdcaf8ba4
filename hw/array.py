"""The multiplier array: dot products of an input vector with the rows of a weight tile."""

from __future__ import annotations

from collections import Counter

from amaranth.hdl import Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import INP_BITS, WGT_BITS, Config, clog2

from .products import pipelined, product_pair, register, weight_excess


def latency(config: Config) -> int:
    """Cycles from operands to their sums."""
    return config.mul_stages + config.add_stages


class GemmArray(wiring.Component):
    """``sums[b, o] = sum over i of inp[b, i] * wgt[o, i]``, exact, `LATENCY` cycles later, new ones every cycle.

    Members
    -------
    inp: In
        ``batch x block_in`` int8, element (b, i) at place ``b * block_in + i``.
    wgt: In
        ``block_out x block_in`` int8, (o, i) at place ``o * block_in + i``, as `products.kept_weights` has them.
    sums: Out
        ``batch x block_out`` signed, `sum_bits` each, element (b, o) at place ``b * block_out + o``.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sum_bits = INP_BITS + WGT_BITS + clog2(config.block_in)
        self.LATENCY = latency(config)
        super().__init__(
            {
                "inp": In(config.inp_bytes * 8),
                "wgt": In(config.wgt_bytes * 8),
                "sums": Out(config.batch * config.block_out * self.sum_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        levels = clog2(config.block_in)
        stages_at = Counter(levels - levels * stage // config.add_stages for stage in range(config.add_stages))

        inp, wgt, forming = self.inp, self.wgt, config.mul_stages
        if forming > 1:
            inp, wgt = register(m, inp, "inp_held"), register(m, wgt, "wgt_held")
            forming -= 1
        inputs, weights = (
            [packed.word_select(k, width).as_signed() for k in range(len(packed) // width)]
            for packed, width in ((inp, INP_BITS), (wgt, WGT_BITS))
        )
        places = [(b, o) for b in range(config.batch) for o in range(config.block_out)]
        terms: dict[tuple[int, int], list[Value]] = {place: [] for place in places}
        for b, o in places[::2]:
            for i in range(config.block_in):
                pair = (weights[o * config.block_in + i], weights[(o + 1) * config.block_in + i])
                x = inputs[b * config.block_in + i]
                products = product_pair(platform, m, x, pair, forming, name=f"product_{b}_{o}_{i}")
                for k, product in enumerate(products):
                    terms[b, o + k].append(product)

        def total(addends: list[Value], excess: Value, name: str) -> Value:
            for level in range(1, levels + 1):
                addends = _halved(addends)
                if level == levels:
                    addends = [(addends[0] - excess)[: self.sum_bits].as_signed()]
                addends = [pipelined(m, v, stages_at[level], f"{name}_{level}_{k}") for k, v in enumerate(addends)]
            return addends[0]

        # In step with the sums of products, up to the last register before their excess is taken off.
        steps = forming + config.add_stages - stages_at[levels]
        excesses: list[Value] = [Const(0)] * config.batch
        if excess := weight_excess(platform):
            vectors = [inputs[b * config.block_in :][: config.block_in] for b in range(config.batch)]
            excesses = [_sum_over(m, x, steps, f"inputs_{b}") * excess for b, x in enumerate(vectors)]

        for place, (b, o) in enumerate(places):
            name = f"sum_{b}_{o}"
            dot = Signal(signed(self.sum_bits), name=name)
            m.d.comb += dot.eq(total(terms[b, o], Const(0) if o % 2 else excesses[b], name))
            m.d.comb += self.sums.word_select(place, self.sum_bits).eq(dot)
        return m


def _halved(addends: list[Value]) -> list[Value]:
    return [addends[k] + addends[k + 1] for k in range(0, len(addends), 2)]


def _sum_over(m: Module, addends: list[Value], steps: int, name: str) -> Value:
    """The sum of `addends`, `steps` cycles later; its adders are spread over them."""
    levels = clog2(len(addends))
    for step in range(steps):
        for _ in range(levels * step // steps, levels * (step + 1) // steps):
            addends = _halved(addends)
        addends = [register(m, v, f"{name}_{step}_{k}") for k, v in enumerate(addends)]
    return addends[0]
