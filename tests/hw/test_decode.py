"""The hardware's check of an instruction agrees with the assembler's on every word."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from dovetail.hw.decode import Legality
from dovetail.isa.config import INSTRUCTION_BITS, Config, load_config, preset_names
from dovetail.isa.instructions import INSTRUCTIONS, Instruction, decode
from dovetail.isa.layout import EncodingError


def near_legal_words(config: Config, rng: random.Random, count: int) -> list[int]:
    """Words that are legal, or miss it by a field at its edge or a flipped bit."""
    words = []
    for _ in range(count):
        kind = rng.choice(INSTRUCTIONS)
        word = int(kind.opcode)
        for field in kind.layout(config).fields[1:]:
            edges = [field.low, 0, 1, field.high, rng.randint(field.low, field.high)]
            word |= field.insert(rng.choice(edges) & ~rng.choice([0, 3, 15, 127]))
        if rng.random() < 0.3:
            word ^= 1 << rng.randrange(INSTRUCTION_BITS)
        words.append(word)
    return words


CONFIGS = [load_config(name) for name in preset_names()]


def software_verdict(word: int, config: Config) -> Instruction | None:
    try:
        return decode(word, config)
    except EncodingError:
        return None


@pytest.mark.parametrize("config", CONFIGS, ids=preset_names())
def test_hardware_and_software_accept_the_same_words(config: Config) -> None:
    words = near_legal_words(config, random.Random(7), 1500)
    unit = Legality(config)
    accepted = 0

    async def testbench(ctx) -> None:
        nonlocal accepted
        for word in words:
            ctx.set(unit.word, word)
            await ctx.tick()
            instruction = software_verdict(word, config)
            assert ctx.get(unit.legal) == (instruction is not None), hex(word)
            if instruction is not None:
                accepted += 1
                assert ctx.get(unit.unit) == instruction.unit

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(words) // 10 < accepted < len(words) * 9 // 10
