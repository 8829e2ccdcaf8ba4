"""Runs a program that lies in a simulator's memory, as a host does over the register block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dovetail.isa.instructions import Unit
from dovetail.isa.progress import Progress
from dovetail.isa.registers import (
    ERROR_CAUSE_BITS,
    ERROR_UNIT_BITS,
    ERROR_UNIT_LSB,
    Cause,
    Control,
    Counter,
    Register,
    Status,
    counter_address,
)

from .client import RESET_CYCLES
from .control import Step

FOREVER = (1 << 62) - 1


class Host(Protocol):
    """Who does the steps: `Simulator`, or what is like it."""

    def run_script(
        self,
        steps: Sequence[tuple[Step, int, int]],
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> list[int]: ...


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    cycles:
        From the write of START to the interrupt, or to the limit.
    finished:
        There was an interrupt; without one the limit was reached, and machine and memory controller were reset.
    status, cause, unit, index:
        The register block's; unit and index belong to the error.
    counters:
        Of the machine, by name in lower case.
    """

    cycles: int
    finished: bool
    status: Status
    cause: Cause
    unit: Unit
    index: int
    counters: dict[str, int] = field(repr=False)


def run_program(
    simulator: Host,
    *,
    address: int,
    length: int,
    watchdog: int = 0,
    max_cycles: int = FOREVER,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run `length` instructions from byte `address` on and wait for the interrupt.

    Parameters
    ----------
    watchdog:
        The machine stops itself after so many cycles without progress; 0 is never.
    max_cycles:
        How long to wait for the interrupt.
    timeout, progress:
        See `Simulator.run_script`.
    """
    begin = [
        (Step.WRITE, Register.PROGRAM, address),
        (Step.WRITE, Register.LENGTH, length),
        (Step.WRITE, Register.WATCHDOG, watchdog),
        (Step.WRITE, Register.CONTROL, Control.START),
    ]
    reported = [Register.STATUS, Register.ERROR, Register.ERROR_INDEX, *map(counter_address, Counter)]
    report = [(Step.READ, address, 0) for address in reported]
    wait = (Step.WAIT, 0, max_cycles)
    end = (Step.WRITE, Register.CONTROL, Control.ACKNOWLEDGE)
    results = simulator.run_script([*begin, wait, *report, end], timeout=timeout, progress=progress)
    waited, status, error, index, *counters = results[len(begin) : -1]
    finished = waited >= 0
    if not finished:
        simulator.run_script([(Step.RESET, 0, RESET_CYCLES)])
    return Outcome(
        cycles=waited if finished else max_cycles,
        finished=finished,
        status=Status(status),
        cause=Cause(error & (1 << ERROR_CAUSE_BITS) - 1),
        unit=Unit(error >> ERROR_UNIT_LSB & (1 << ERROR_UNIT_BITS) - 1),
        index=index,
        counters={counter.name.lower(): value for counter, value in zip(Counter, counters, strict=True)},
    )
