"""Random instruction words, legal and not; the verdict is `isa.instructions.decode`'s."""

from __future__ import annotations

import random

from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import INSTRUCTIONS, Finish, decode
from dovetail.isa.layout import EncodingError


def is_legal(config: Config, word: int) -> bool:
    try:
        decode(word, config)
    except EncodingError:
        return False
    return True


def random_word(config: Config) -> int:
    """Some instruction, but FINISH, with its fields at random; often not legal."""
    kind = random.choice([kind for kind in INSTRUCTIONS if kind is not Finish])
    layout = kind.layout(config)
    word = layout["opcode"].insert(kind.opcode)
    for field in layout.fields[1:]:
        value = random.getrandbits(field.width)
        if field.spec.enum is not None and random.random() < 0.9:
            value = random.choice(list(field.spec.enum))
        if field.name in ("dram", "residual_offset") and random.random() < 0.9:
            value &= ~(config.bus_bytes - 1)
        if field.width == 1:
            value = random.random() < 0.2
        word |= field.insert(int(value))
    return word


def legal_word(config: Config) -> int:
    while not is_legal(config, word := random_word(config)):
        pass
    return word


def illegal_word(config: Config) -> int:
    """Often a bit away from being legal."""
    while True:
        word = random_word(config)
        if random.random() < 0.5:
            word = legal_word(config) ^ 1 << random.randrange(INSTRUCTION_BITS)
        if not is_legal(config, word):
            return word
