"""The memory controller: what is read is what was written, the chip's rules hold, and few cycles are lost."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from dovetail.fpga.sdram.chips import MT48LC16M16A2_7E, ULX3S_SDRAM, SdramChip
from dovetail.isa.config import Config
from tests.fpga.sdram.bench import DECERR, Bench, Burst, Listed, Master
from tests.fpga.sdram.traffic import RandomTraffic

SYSTEM_HZ = 66_666_667
CHIP = replace(ULX3S_SDRAM, t_power_up=500.0)
"""The power-up delay alone would take most of a simulation's time."""
ROW_BYTES = 1024
FULL = 0.95
"""Of the chip's bytes a cycle: refresh takes two in a hundred."""


def bench(bus_bits: int, chip: SdramChip = CHIP, clock_hz: int = SYSTEM_HZ) -> Bench:
    return Bench(Config(bus_bits=bus_bits), chip, clock_hz)


def master(bench: Bench, bursts: list[Burst]) -> Master:
    return Master(bench.config, bench.dut.axi, Listed(bursts), rng=random.Random(0))


def measured(bench: Bench, bursts: list[Burst]) -> tuple[float, list[Burst]]:
    """Bytes a cycle after the first burst, with the chip long initialised; and the bursts."""
    timed = master(bench, bursts)
    bench.run(master(bench, [Burst(0, [0])]), timed)
    done = timed.done
    moved = sum(len(burst.data) for burst in done[1:]) * bench.config.bus_bytes
    return moved / (done[-1].ended - done[0].ended), done


@pytest.mark.parametrize(
    ("bus_bits", "chip", "clock_hz", "eagerness", "seed"),
    [
        (128, CHIP, SYSTEM_HZ, 0.4, 1),
        (64, CHIP, 75_000_000, 1.0, 2),
        (64, replace(MT48LC16M16A2_7E, t_power_up=300.0), 140_000_000, 0.7, 3),
        (128, CHIP, 25_000_000, 1.0, 4),
    ],
)
def test_memory_holds_what_was_written(
    bus_bits: int, chip: SdramChip, clock_hz: int, eagerness: float, seed: int
) -> None:
    print(f"{seed=}")
    rng = random.Random(seed)
    under = bench(bus_bits, chip, clock_hz)
    memory = bytearray(chip.memory_bytes)
    rows = [rng.randrange(0, len(memory), ROW_BYTES) for _ in range(3)]
    same_bank = [rows[0] ^ 1 << 12, rows[0] ^ 1 << 20]
    beyond = [len(memory), len(memory) + rows[0], 0xFFFF_F000]
    traffic = RandomTraffic(under.config, memory, [*rows, *same_bank, rows[0], beyond[seed % 3]], count=60, rng=rng)
    under.run(Master(under.config, under.dut.axi, traffic, rng=rng, eagerness=eagerness, taking=eagerness))
    assert under.model.counts["write"] > 0
    assert under.model.counts["refresh"] > chip.power_up_refreshes


def test_every_address_is_another_cell() -> None:
    """A beat at each power of two, at 0 and at the end: written, then read."""
    under = bench(128)
    addresses = [0, *(1 << k for k in range(4, 25)), CHIP.memory_bytes - 16]
    data = [0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978 * (k + 1) % 2**128 for k in range(len(addresses))]
    writes = [Burst(addr, [value], [0xFFFF]) for addr, value in zip(addresses, data, strict=True)]
    reads = [Burst(addr, [value]) for addr, value in zip(addresses, data, strict=True)]
    under.run(master(under, writes), master(under, reads))
    assert len(under.model.cells) == 8 * len(addresses)


def test_beyond_the_memory_nothing_is_touched() -> None:
    under = bench(128)
    end, next_row = CHIP.memory_bytes, 4 * ROW_BYTES
    bursts = [
        Burst(0, [5], [0xFFFF]),
        Burst(next_row, [6], [0xFFFF]),
        Burst(end, [1, 2, 3], [0xFFFF] * 3, id=2, resp=DECERR),
        Burst(2 * end, [0] * 4, id=1, resp=DECERR),
        Burst(0, [5, 0, 0], id=0),
        Burst(end - 16, [7], [0xFFFF], id=2),
    ]
    under.run(Master(under.config, under.dut.axi, Listed(bursts), rng=random.Random(0), ahead=1))
    assert set(under.model.cells) == {
        (bank, row, column)
        for bank, row, first in ((0, 0, 0), (0, 1, 0), (3, 8191, 504))
        for column in range(first, first + 8)
    }


def test_answers_wait_for_the_master() -> None:
    """More beats, and more answers to writes, than the controller has room for."""
    under = bench(64)
    writes = [Burst(8 * k, [k], [0xFF]) for k in range(12)]
    reads = [Burst(0, [*range(12)] + [0] * 28), Burst(0, [*range(12)])]
    masters = [
        Master(under.config, under.dut.axi, Listed(bursts), rng=random.Random(0), taking=0.05, ahead=12)
        for bursts in (writes, reads)
    ]
    under.run(*masters)


@pytest.mark.parametrize("bus_bits", [64, 128])
def test_bursts_move_a_column_in_nearly_every_cycle(bus_bits: int) -> None:
    beats = 4 * ROW_BYTES // bus_bits
    full = FULL * CHIP.data_bits / 8
    rng = random.Random(5)
    sequential = [Burst(ROW_BYTES // 2 * k, [0] * beats) for k in range(6)]
    scattered = [Burst(rng.randrange(0, CHIP.memory_bytes, ROW_BYTES // 2), [0] * beats) for _ in range(6)]
    written = [Burst(ROW_BYTES // 2 * k, [0] * beats, [1] * beats) for k in range(6)]
    rate, done = measured(bench(bus_bits), sequential + scattered + written)
    print(f"{bus_bits} bits: {rate:.3f} bytes a cycle, first data after {done[0].first - done[0].begun} cycles")
    assert rate >= full


@pytest.mark.parametrize(
    ("name", "addr", "limit"), [("closed", 1 << 20 | ROW_BYTES, 20), ("open", 16, 19), ("other", 1 << 20, 22)]
)
def test_a_single_beat_comes_soon(name: str, addr: int, limit: int) -> None:
    """After a beat at 0, one at `addr`, whose row is closed, open, or behind another that is open."""
    under = bench(128)
    timed = master(under, [Burst(addr, [0])])
    under.run(master(under, [Burst(0, [0])]), timed)
    cycles = timed.done[0].first - timed.done[0].begun
    print(f"{name}: {cycles} cycles from the address to the data")
    assert cycles <= limit
