"""Output processing against STORE's formula in plain integers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module

from dovetail.hw.output import OutputPipeline
from dovetail.isa.config import load_config
from dovetail.isa.instructions import rne, saturate32
from tests.hw.dma_bench import CONFIG_NAMES, simulate

Post = dict[str, int]
INT32 = [0, 1, -1, 2, (1 << 31) - 1, -(1 << 31), -(1 << 31) + 1, 1 << 30, 1 << 16, -(1 << 16)]


def formula(acc: int, record: dict[str, int], residual: int | None, post: Post) -> int:
    """STORE's docstring."""
    v = saturate32(acc + record["bias"])
    q = saturate32(rne(v * record["multiplier"], record["shift"]))
    r = 0
    if residual is not None:
        r = saturate32(rne((residual - post["res_zero"]) * post["res_multiplier"], post["res_shift"]))
    y = rne(q + r, post["fraction"]) + post["zero_point"]
    return min(max(y, post["minimum"]), post["maximum"])


def random_int32(rng: random.Random) -> int:
    """Corners, and numbers of every magnitude."""
    return rng.choice([*INT32, *(saturate32(rng.randrange(-(1 << bits), 1 << bits)) for bits in range(2, 33))])


def random_post(rng: random.Random) -> Post:
    bounds = sorted(rng.choice([-128, 0, 127, rng.randrange(-128, 128)]) for _ in range(2))
    return {
        "zero_point": rng.choice([-128, 127, 0, rng.randrange(-128, 128)]),
        "minimum": bounds[0],
        "maximum": bounds[1],
        "fraction": rng.choice([0, 0, 1, 8, 31, rng.randrange(32)]),
        "res_zero": rng.randrange(-128, 128),
        "res_multiplier": rng.choice([-(1 << 15), (1 << 15) - 1, rng.randrange(-(1 << 15), 1 << 15)]),
        "res_shift": rng.choice([0, 7, 8, 31, rng.randrange(32)]),
        "residual_offset": 0,
    }


def tuned(rng: random.Random, acc: int, bias: int, post: Post) -> dict[str, int]:
    """A record, most often one whose result is not far out of the int8 range."""
    multiplier = random_int32(rng)
    product = abs(saturate32(acc + bias) * multiplier)
    wanted = product.bit_length() - post["fraction"] - rng.randrange(4, 10)
    shift = min(63, max(0, rng.choice([wanted, wanted, rng.randrange(64)])))
    return {"bias": bias, "multiplier": multiplier, "shift": shift}


@pytest.mark.parametrize("name", CONFIG_NAMES)
def test_results_are_those_of_the_formula(name: str) -> None:
    config = load_config(name)
    rng = random.Random(name)
    dut = OutputPipeline(config, tag=16)
    m = Module()
    m.submodules.dut = dut
    lanes = range(config.out_lanes)
    outcomes: list[tuple[int, int, list[int]]] = []
    cycle = 0

    async def collect(ctx: Any) -> None:
        nonlocal cycle
        async for _, _, valid, tag, *out in ctx.tick().sample(dut.out_valid, dut.out_tag, *(dut.out[k] for k in lanes)):
            cycle += 1
            if valid:
                outcomes.append((cycle, tag, out))

    async def drive(ctx: Any) -> None:
        expected: list[tuple[int, int, list[int]]] = []
        entered: list[dict[str, int]] = []
        for _ in range(12 * max(1, 4 // config.out_lanes)):  # few lanes meet as many values in more groups
            post = random_post(rng)
            ctx.set(dut.post, post)
            for _ in range(30):
                valid, with_residual = rng.random() < 0.9, rng.random() < 0.5
                accs = [random_int32(rng) for _ in lanes]
                records = [tuned(rng, acc, random_int32(rng), post) for acc in accs]
                residuals = [rng.randrange(-128, 128) for _ in lanes]
                tag = rng.randrange(1 << 16)
                ctx.set(dut.valid, valid)
                ctx.set(dut.with_residual, with_residual)
                ctx.set(dut.tag, tag)
                ctx.set(dut.acc, accs)
                if entered:
                    ctx.set(dut.record, entered)
                entered = records
                ctx.set(dut.residual, residuals)
                if valid:
                    results = [
                        formula(acc, record, residual if with_residual else None, post)
                        for acc, record, residual in zip(accs, records, residuals, strict=True)
                    ]
                    expected.append((cycle + 1 + OutputPipeline.LATENCY, tag, results))
                await ctx.tick()
            ctx.set(dut.valid, 0)
            ctx.set(dut.record, entered)
            await ctx.tick()
            await ctx.tick().until(~dut.busy)
        assert len({y for *_, results in expected for y in results}) > 50
        assert outcomes == expected

    simulate(m, collect, main=drive)
