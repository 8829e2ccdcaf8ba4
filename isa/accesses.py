"""Which bytes of DRAM an instruction touches: rows of equal length at equal distance."""

from __future__ import annotations

from dataclasses import dataclass

from .config import DRAM_ADDRESS_BITS, Config
from .instructions import Format, Instruction, Load, Param, Post, Store, entry_bytes, store_bytes

DRAM_LIMIT = 1 << DRAM_ADDRESS_BITS


@dataclass(frozen=True)
class DramAccess:
    """`rows` times `row_bytes` bytes, each row `pitch` bytes after the one before, the first at `address`."""

    field: str
    address: int
    rows: int
    row_bytes: int
    pitch: int
    write: bool

    @property
    def end(self) -> int:
        """The first byte after the last row. Strides are not negative, so the last row is the furthest."""
        return self.address + (self.rows - 1) * self.pitch + self.row_bytes


def dram_accesses(instruction: Instruction, config: Config, post: Post | None = None) -> list[DramAccess]:
    """The DRAM that `instruction` reads and writes, in the order in which it does so.

    Parameters
    ----------
    post:
        The `Post` in force, which says where a residual lies. Without one a residual is left out.
    """
    match instruction:
        case Load():
            size = entry_bytes(config, instruction.buffer)
            pitch = instruction.stride * size
            return [DramAccess("dram", instruction.dram, instruction.rows, instruction.cols * size, pitch, False)]
        case Param():
            return [DramAccess("dram", instruction.dram, 1, config.param_bytes, 0, False)]
        case Store():
            size = store_bytes(config, Format(instruction.format))
            pitch, row = instruction.stride * size, instruction.cols * size
            accesses = [DramAccess("dram", instruction.dram, instruction.rows, row, pitch, True)]
            if instruction.residual and post is not None:
                start = (instruction.dram + post.residual_offset) % DRAM_LIMIT
                accesses.insert(0, DramAccess("residual", start, instruction.rows, row, pitch, False))
            return accesses
    return []


def dram_reach(instructions: tuple[Instruction, ...], config: Config) -> int:
    """Bytes of DRAM, from address 0, that hold everything that the instructions touch."""
    reach, post = 0, None
    for instruction in instructions:
        if isinstance(instruction, Post):
            post = instruction
        for access in dram_accesses(instruction, config, post):
            reach = max(reach, access.end)
    return reach
