"""Token queues, as `hw.tokens` has them."""

from __future__ import annotations

from typing import Any

from .compiled import registers, step

TOKENS = registers("level", "reserved")


@step
def tokens_step(t: Any, reserves: int, pushes: int, pops: int) -> None:
    """A cycle in which a place is reserved, one filled, and a token taken."""
    t.level += (1 if pushes else 0) - (1 if pops else 0)
    t.reserved += (1 if reserves else 0) - (1 if pops else 0)
