"""The multiplier array against NumPy's dot products, with any pipeline and however its products are formed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Fragment, Module, Signal, Value

from dovetail.fpga.ecp5.arithmetic import Ecp5Arithmetic
from dovetail.hw.array import GemmArray
from dovetail.hw.products import HasProducts, kept_weights, pipelined
from dovetail.isa.config import Config
from tests.hw.dma_bench import simulate

CYCLES = 40


class ArrayOn(Elaboratable):
    """An array as a platform has it. A simulation has none of its own."""

    def __init__(self, array: GemmArray, platform: object) -> None:
        self.array = array
        self.platform = platform
        self.wgt = Signal.like(array.wgt)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = Fragment.get(self.array, self.platform)
        m.d.comb += self.array.wgt.eq(kept_weights(self.platform, self.wgt, self.array.config.block_in))
        return m


class Exceeding(Ecp5Arithmetic):
    """Products with the excess of a platform that has one, but without its cells, which are not simulated here."""

    def product_pair(
        self, m: Module, x: Value, weights: tuple[Value, Value], stages: int, name: str
    ) -> tuple[Value, Value]:
        products = (x * weights[0].as_unsigned(), x * weights[1])
        first, second = (pipelined(m, product, stages, f"{name}_{k}") for k, product in enumerate(products))
        return first, second


@pytest.mark.parametrize("platform", [None, Exceeding()], ids=["generic", "with an excess"])
@pytest.mark.parametrize(
    ("batch", "block", "mul_stages", "add_stages"),
    [(1, 4, 1, 0), (1, 4, 2, 1), (2, 4, 1, 2), (1, 8, 3, 2), (1, 8, 4, 3), (1, 4, 3, 4)],
)
def test_sums_follow_the_latency_after(
    platform: HasProducts | None, batch: int, block: int, mul_stages: int, add_stages: int
) -> None:
    config = Config(
        batch=batch, block_in=block, block_out=block, out_lanes=1, mul_stages=mul_stages, add_stages=add_stages
    )
    array = GemmArray(config)
    dut = ArrayOn(array, platform)
    rng = np.random.default_rng(1)
    inputs = rng.integers(-128, 128, (CYCLES, batch, block), np.int8)
    weights = rng.integers(-128, 128, (CYCLES, block, block), np.int8)
    inputs[0], weights[0] = -128, -128  # the sums that need all their bits
    dots = np.einsum("vbi,voi->vbo", inputs.astype(np.int32), weights.astype(np.int32))
    found: list[list[int]] = []

    async def bench(ctx: Any) -> None:
        for cycle in range(CYCLES):
            ctx.set(array.inp, int.from_bytes(inputs[cycle].tobytes(), "little"))
            ctx.set(dut.wgt, int.from_bytes(weights[cycle].tobytes(), "little"))
            _, _, sums = await ctx.tick().sample(array.sums)
            places = [sums >> k * array.sum_bits & (1 << array.sum_bits) - 1 for k in range(batch * block)]
            found.append([place - (place >> array.sum_bits - 1 << array.sum_bits) for place in places])

    simulate(dut, main=bench)
    expected = dots.reshape(CYCLES, -1)[: CYCLES - array.LATENCY]
    np.testing.assert_array_equal(found[array.LATENCY :], expected)
