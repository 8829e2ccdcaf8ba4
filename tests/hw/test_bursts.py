"""The burst splitter against a list of the beats that rows touch."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module

from dovetail.hw.bursts import BurstSplitter
from dovetail.isa.config import Config, load_config
from tests.hw.dma_bench import put, simulate, watch

CONFIGS = {
    "tiny": load_config("tiny"),
    "default": load_config("default"),
    "longest bursts": Config(burst_beats=256, bus_bits=128),
    "single beats": Config(burst_beats=1, bus_bits=64),
}
Block = tuple[int, int, int, int]


def split(config: Config, blocks: list[Block], seed: int, eagerness: float) -> tuple[list[tuple[int, int, int]], int]:
    """The bursts of `blocks` (address, bytes of a row, rows, pitch), and the cycles that they took."""
    design = BurstSplitter(config)
    rng = random.Random(seed)
    bursts: list[tuple[int, int, int]] = []
    cycles = 0

    async def feed(ctx: Any) -> None:
        for addr, row_bytes, rows, pitch in blocks:
            await put(ctx, design.block, {"addr": addr, "row_bytes": row_bytes, "rows": rows, "pitch": pitch})

    async def collect(ctx: Any) -> None:
        nonlocal cycles
        ends = 0
        while ends < len(blocks):
            ready = rng.random() < eagerness
            ctx.set(design.burst.ready, ready)
            _, _, valid, addr, beats, last = await ctx.tick().sample(
                design.burst.valid, design.burst.payload.addr,
                design.burst.payload.beats_minus_one, design.burst.payload.last,
            )  # fmt: skip
            cycles += 1
            if valid and ready:
                bursts.append((addr, beats + 1, last))
                ends += last

    m = Module()
    m.submodules.dut = design
    simulate(m, feed, watch(design.burst), main=collect)
    return bursts, cycles


def beats_of(config: Config, block: Block) -> list[int]:
    addr, row_bytes, rows, pitch = block
    bus = config.bus_bytes
    beats = []
    for row in range(rows):
        start = (addr + row * pitch) % (1 << 32)
        beats += [beat * bus % (1 << 32) for beat in range(start // bus, (start + row_bytes - 1) // bus + 1)]
    return beats


@pytest.mark.parametrize("name", CONFIGS)
def test_bursts_cover_the_rows(name: str) -> None:
    config = CONFIGS[name]
    rng = random.Random(name)
    blocks = []
    for _ in range(25):
        addr = rng.choice([rng.randrange(1 << 32), (1 << 32) - rng.randrange(1, 300), 4096 - rng.randrange(64)])
        row_bytes = rng.choice([rng.randrange(1, 64), rng.randrange(1, 3000)])
        blocks.append((addr & ~3, row_bytes, rng.randrange(1, 5), rng.randrange(0, 6000) & ~3))
    bursts, _ = split(config, blocks, seed=1, eagerness=0.7)

    expected = [beat for block in blocks for beat in beats_of(config, block)]
    actual = [(addr + k * config.bus_bytes) % (1 << 32) for addr, beats, _ in bursts for k in range(beats)]
    assert actual == expected
    assert sum(last for *_, last in bursts) == len(blocks)
    for addr, beats, _ in bursts:
        assert beats <= config.burst_beats
        assert addr // 4096 == (addr + beats * config.bus_bytes - 1) // 4096


def test_a_burst_a_cycle() -> None:
    config = CONFIGS["default"]
    blocks = [(0, config.bus_bytes, 200, 64)]
    bursts, cycles = split(config, blocks, seed=1, eagerness=1.0)
    assert len(bursts) == 200
    assert cycles <= 200 + 5
