"""What the register block says of a run, as the runtime's result or error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dovetail.isa.disassembler import format_instruction
from dovetail.isa.program import Program
from dovetail.isa.registers import Cause, Status
from dovetail.sim.rtl.machine import Outcome

from .device import RunResult
from .errors import DeviceFault

WATCHDOG_CYCLES = 1 << 20
"""Far more than any latency: a machine that makes no progress for so long never will."""
HINTS = {
    Cause.NONE: "this is a defect of the machine",
    Cause.ILLEGAL: "dovetail verify says what is wrong with the instruction",
    Cause.AXI_READ: "memory refused the address: is memory_bytes large enough?",
    Cause.AXI_WRITE: "memory refused the address: is memory_bytes large enough?",
    Cause.WATCHDOG: "a token that never comes, or a memory that does not answer; a timeline shows who waits",
}


def run_result(
    outcome: Outcome, program: Program, *, seconds: float, ends: npt.NDArray[np.int64] | None = None
) -> RunResult:
    """The result of a run on a machine with registers.

    Raises
    ------
    DeviceFault:
        The machine stopped the program.
    """
    if outcome.status is not Status.DONE:
        raise _fault(outcome, program)
    beat = program.config.bus_bytes
    return RunResult(
        cycles=outcome.counters["cycles"],
        counters=outcome.counters,
        seconds=seconds,
        dram_read_bytes=outcome.counters["read_beats"] * beat,
        dram_write_bytes=outcome.counters["write_beats"] * beat,
        ends=ends,
    )


def _fault(outcome: Outcome, program: Program) -> DeviceFault:
    known = outcome.index < len(program.instructions)
    return DeviceFault(
        outcome.cause.name.lower(),
        unit=outcome.unit.name.lower(),
        index=outcome.index,
        disassembly=format_instruction(program.instructions[outcome.index]) if known else None,
        hint=HINTS[outcome.cause],
    )
