"""Damaged programs."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dovetail.isa.config import INSTRUCTION_BITS

MAX_FLIPS = 4


def mutate(words: Sequence[int], rng: random.Random) -> list[int]:
    """The instruction words with up to `MAX_FLIPS` bits turned over, or with two neighbours exchanged."""
    changed = list(words)
    if len(changed) > 1 and rng.random() < 0.1:
        at = rng.randrange(len(changed) - 1)
        changed[at : at + 2] = reversed(changed[at : at + 2])
        return changed
    for _ in range(rng.randint(1, MAX_FLIPS)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(INSTRUCTION_BITS)
    return changed
