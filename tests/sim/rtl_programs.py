"""Small programs whose effects and times are easy to say."""

from __future__ import annotations

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Finish, Gemm, Instruction, Load, Store, Sync, Unit
from dovetail.isa.program import Program

UOPS, INPUTS, OUTPUTS = 0x1000, 0x2000, 0x8000


def loads(config: Config, entries: int, buffer: Buffer = Buffer.INP) -> Program:
    """One LOAD."""
    return Program(config, (Load(buffer=buffer, sram=0, dram=INPUTS, cols=entries), Finish()))


def endless(config: Config) -> Program:
    """A kernel that takes minutes; it adds nothing to nothing."""
    body: tuple[Instruction, ...] = (
        Load(buffer=Buffer.UOP, sram=0, dram=UOPS, cols=16, push_next=True),
        Sync(target=Unit.COMPUTE, pop_prev=True),
        *[Gemm(uop_begin=0, uop_count=16, outer=4000, inner=4000)] * 8,
    )
    return Program(config, (*body, Finish()))


def stuck(config: Config) -> Program:
    """Compute waits for a token that nobody gives."""
    return Program(config, (Sync(target=Unit.COMPUTE, pop_prev=True), Finish()))


def copies(config: Config, entries: int) -> Program:
    """Accumulators from DRAM to the chip and back as they are."""
    return Program(
        config,
        (
            Load(buffer=Buffer.ACC, sram=0, dram=INPUTS, cols=entries, push_next=True),
            Sync(target=Unit.COMPUTE, pop_prev=True, push_next=True),
            Store(format=1, sram=0, dram=OUTPUTS, cols=entries, pop_prev=True),
            Finish(),
        ),
    )
