"""Static memory planning: blocks that are needed at different times share addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Memory that is in use from step `first` to step `last`, both included.

    Attributes
    ----------
    nbytes:
        Its size.
    """

    nbytes: int
    first: int
    last: int

    def meets(self, other: Block) -> bool:
        """Both are in use at some step."""
        return self.first <= other.last and other.first <= self.last


def place(blocks: Sequence[Block], align: int) -> tuple[list[int], int]:
    """Offsets of blocks, multiples of `align`, such that blocks that meet do not overlap; and the end of them all.

    The largest are placed first, each at the lowest offset that is free whenever it is in use (greedy by size, as in
    Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
    """
    offsets = [0] * len(blocks)
    placed: list[int] = []
    for number in sorted(range(len(blocks)), key=lambda one: -blocks[one].nbytes):
        block, at = blocks[number], 0
        for other in sorted((one for one in placed if blocks[one].meets(block)), key=offsets.__getitem__):
            if at + block.nbytes <= offsets[other]:
                break
            at = max(at, aligned(offsets[other] + blocks[other].nbytes, align))
        offsets[number] = at
        placed.append(number)
    return offsets, max((at + block.nbytes for at, block in zip(offsets, blocks, strict=True)), default=0)


def aligned(offset: int, align: int) -> int:
    """The next multiple of `align`."""
    return -(-offset // align) * align
