"""Programs for single operators become one program that runs them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dovetail.compiler.graph.errors import GraphError
from dovetail.isa.accesses import dram_accesses
from dovetail.isa.config import Config
from dovetail.isa.instructions import Finish, Instruction, Post, Sync, Unit
from dovetail.isa.program import Program, ProgramError, Segment

BARRIER = (
    Sync(target=Unit.STORE, push_prev=True),
    Sync(target=Unit.LOAD, push_next=True),
    Sync(target=Unit.COMPUTE, pop_prev=True, pop_next=True, push_prev=True, push_next=True),
    Sync(target=Unit.LOAD, pop_next=True),
    Sync(target=Unit.STORE, pop_prev=True),
)
"""All units wait for one another: what was computed before is stored and can be loaded, the buffers are free, and every
token from before is taken."""
BARRIER_TOKENS = 1
"""Room in each queue that programs leave to barriers: a token of these may wait behind those of the program before, or
in front of those of the program after."""


@dataclass(frozen=True)
class Piece:
    """An operator's program in a linked one.

    Attributes
    ----------
    begin, end:
        The range of its instructions.
    dram_read_bytes, dram_write_bytes:
        What they move.
    """

    name: str
    begin: int
    end: int
    dram_read_bytes: int
    dram_write_bytes: int


def link(programs: Sequence[tuple[str, Program]], config: Config, dram_bytes: int) -> tuple[Program, tuple[Piece, ...]]:
    """One program of named ones, in order, and where each is in it.

    Parameters
    ----------
    programs:
        Which leave `BARRIER_TOKENS` of each queue free.
    dram_bytes:
        Memory that the program needs.

    Raises
    ------
    GraphError:
        Together they have too many instructions, or the machine's queues have no room for barriers.
    """
    if len(programs) > 1 and config.token_depth <= BARRIER_TOKENS:
        raise GraphError(
            f"token_depth is {config.token_depth}; layers one after the other need at least {BARRIER_TOKENS + 1}"
        )
    instructions: list[Instruction] = []
    segments: list[Segment] = []
    pieces = []
    for name, program in programs:
        if instructions:
            instructions += BARRIER
        own = tuple(one for one in program.instructions if not isinstance(one, Finish))
        pieces.append(Piece(name, len(instructions), len(instructions) + len(own), *_moved(own, config)))
        instructions += own
        segments += [replace(segment, name=f"{name}: {segment.name}") for segment in program.segments]
    try:
        return Program(config, (*instructions, Finish()), tuple(segments), dram_bytes), tuple(pieces)
    except ProgramError as error:
        raise GraphError(f"the network as one program: {error}") from None


def _moved(instructions: Sequence[Instruction], config: Config) -> tuple[int, int]:
    """Bytes that instructions read from DRAM and write to it."""
    moved, post = {False: 0, True: 0}, None
    for instruction in instructions:
        if isinstance(instruction, Post):
            post = instruction
        for access in dram_accesses(instruction, config, post):
            moved[access.write] += access.rows * access.row_bytes
    return moved[False], moved[True]
