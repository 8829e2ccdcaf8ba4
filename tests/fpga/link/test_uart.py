"""The serial line: bytes at its pins."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from dovetail.fpga.link.uart import UartRx, UartTx, require_divisor

DIVISORS = (4, 5, 8, 22)
TEXT = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80]) + random.Random(3).randbytes(10)


def bits_of(text: bytes, stop: int = 1) -> list[int]:
    return [bit for byte in text for bit in [0, *(byte >> k & 1 for k in range(8)), stop]]


def waveform(bits: list[int], clocks: float) -> list[int]:
    """The level in each clock when a bit lasts `clocks` of them, between two silences."""
    silence = [1] * round(12 * clocks)
    return silence + [bits[int((k + 0.3) / clocks)] for k in range(int(len(bits) * clocks))] + silence


def receive(divisor: int, levels: list[int], *, taking: bool = True) -> tuple[bytes, int, int]:
    """What is received, and how many bytes were lost and misframed."""
    uart = UartRx(divisor)
    got = bytearray()
    events = [0, 0]

    async def bench(ctx: Any) -> None:
        ctx.set(uart.bytes.ready, taking)
        for level in levels:
            ctx.set(uart.pin, level)
            _, _, valid, byte, lost, misframed = await ctx.tick().sample(
                uart.bytes.valid, uart.bytes.payload, uart.lost, uart.misframed
            )
            if valid and taking:
                got.append(byte)
            events[0] += lost
            events[1] += misframed
        if not taking and ctx.get(uart.bytes.valid):
            got.append(ctx.get(uart.bytes.payload))

    simulator = Simulator(uart)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return bytes(got), events[0], events[1]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("drift", [-0.02, 0.0, 0.02])
def test_bytes_arrive_back_to_back_from_a_line_that_is_2_percent_off(divisor, drift):
    assert receive(divisor, waveform(bits_of(TEXT), divisor * (1 + drift))) == (TEXT, 0, 0)


def test_a_wrong_clock_within_each_bit_is_outvoted():
    divisor, chance = 22, random.Random(1)
    levels = waveform(bits_of(TEXT), divisor)
    first = levels.index(0)
    for bit in range(len(TEXT) * 10):
        if bit % 10 not in (0, 9):
            levels[first + bit * divisor + chance.randrange(divisor)] ^= 1
    assert receive(divisor, levels) == (TEXT, 0, 0)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_a_start_bit_that_does_not_last_is_no_byte(divisor):
    levels = [*waveform([], divisor), 0, *waveform(bits_of(b"x"), divisor)]
    assert receive(divisor, levels) == (b"x", 0, 0)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_a_byte_without_stop_bit_is_dropped_and_a_break_is_one_of_those(divisor):
    levels = waveform(bits_of(b"a"), divisor) + [0] * 35 * divisor + waveform(bits_of(b"b"), divisor)
    assert receive(divisor, levels) == (b"ab", 0, 1)


def test_the_line_is_not_stalled_so_bytes_that_nobody_takes_are_lost():
    assert receive(5, waveform(bits_of(b"abc"), 5), taking=False) == (b"a", 2, 0)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_bytes_leave_back_to_back_with_every_bit_of_its_length(divisor):
    uart = UartTx(divisor)
    levels: list[int] = []

    async def send(ctx: Any) -> None:
        ctx.set(uart.bytes.valid, 1)
        for byte in TEXT:
            ctx.set(uart.bytes.payload, byte)
            await ctx.tick().until(uart.bytes.ready)
        ctx.set(uart.bytes.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def listen(ctx: Any) -> None:
        async for _, _, pin in ctx.tick().sample(uart.pin):
            levels.append(pin)

    simulator = Simulator(uart)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send)
    simulator.add_testbench(listen, background=True)
    simulator.run()
    sent = [bit for bit in bits_of(TEXT) for _ in range(divisor)]
    first = levels.index(0)
    assert levels[first : first + len(sent)] == sent
    assert all(levels[first + len(sent) :])


def test_a_bit_that_cannot_be_sampled_is_refused():
    with pytest.raises(ValueError, match="at least 4 clocks, not 3"):
        require_divisor(3)
