"""Runs programs on the RTL and on a netlist of it and compares all that a host can see, and the cycles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.isa.registers import Status
from dovetail.sim.functional import FunctionalSimulator
from dovetail.sim.rtl.build import Design, Flavour, Options, build
from dovetail.sim.rtl.client import Simulator
from dovetail.sim.rtl.machine import Outcome, run_program

from .cosim import (
    MAX_CYCLES,
    MEMORY_BYTES,
    PROGRAM_ADDRESS,
    WATCHDOG_CYCLES,
    WORD_BYTES,
    describe,
    encoded_words,
    memory_settings,
)
from .generate import FuzzCase

RTL, NETLIST = "the RTL", "the netlist"
DAMAGED_CYCLES = 10_000
"""How long a damaged program may go on: what both do until then is compared."""
DAMAGED_WATCHDOG = 2_000


class Lockstep:
    """Both simulations of one machine, with memories that behave alike; a context manager.

    Parameters
    ----------
    design:
        What is compared with the RTL.

    Attributes
    ----------
    cycles:
        Simulated of `design` so far.
    """

    def __init__(self, config: Config, design: Design, progress: Progress = silent) -> None:
        self.config, self.cycles = config, 0
        options = Options(flavour=Flavour.REGRESS)
        executables = {NETLIST: build(config, options, progress, design), RTL: build(config, options, progress)}
        self._functional = FunctionalSimulator(config, np.zeros(MEMORY_BYTES, np.uint8))
        with ExitStack() as cleanup:
            self._simulators = {
                name: cleanup.enter_context(Simulator(executable, config, memory_bytes=MEMORY_BYTES))
                for name, executable in executables.items()
            }
            self._cleanup = cleanup.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def compare(self, case: FuzzCase) -> str | None:
        """Run a program that the static verifier accepts on both, and on the functional simulator.

        Returns
        -------
        None when both have the same status, cycles and counters and all three the same DRAM, else a line that names
        the first difference.
        """
        words = encoded_words(case.program)
        outcome, difference = self._run(words, case.image, case.seed, MAX_CYCLES, WATCHDOG_CYCLES)
        if difference is not None:
            return difference
        if outcome.status is not Status.DONE:
            return f"both ended as {describe(outcome)} instead of done"
        self._functional.memory[...] = _memory(words, case.image)
        self._functional.poison(np.random.default_rng(case.seed))
        self._functional.run(case.program.instructions)
        return _unequal(self._simulators[NETLIST].memory, self._functional.memory, "the functional simulator")

    def compare_words(self, words: Sequence[int], image: NDArray[np.uint8], seed: int) -> str | None:
        """Run words that need not be a program on both.

        Returns
        -------
        None when both are stopped in the same way after the same cycles, with the same DRAM, or neither ends.
        """
        return self._run(words, image, seed, DAMAGED_CYCLES, DAMAGED_WATCHDOG)[1]

    def _run(
        self, words: Sequence[int], image: NDArray[np.uint8], seed: int, max_cycles: int, watchdog: int
    ) -> tuple[Outcome, str | None]:
        outcomes = {}
        for name, simulator in self._simulators.items():
            simulator.reset(memory_settings(seed))
            simulator.memory[...] = _memory(words, image)
            outcomes[name] = run_program(
                simulator,
                address=PROGRAM_ADDRESS,
                length=len(words),
                watchdog=watchdog,
                max_cycles=max_cycles,
            )
        outcome, expected = outcomes[NETLIST], outcomes[RTL]
        self.cycles += outcome.cycles
        if outcome != expected:
            return outcome, _unlike(outcome, expected)
        return outcome, _unequal(self._simulators[NETLIST].memory, self._simulators[RTL].memory, RTL)


def _memory(words: Sequence[int], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    encoded = b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)
    memory[: len(image)] = image
    memory[PROGRAM_ADDRESS : PROGRAM_ADDRESS + len(encoded)] = np.frombuffer(encoded, np.uint8)
    return memory


def _unlike(outcome: Outcome, expected: Outcome) -> str:
    one, other = describe(outcome), describe(expected)
    if one != other:
        return f"{NETLIST} ended as {one}, {RTL} as {other}"
    if outcome.cycles != expected.cycles:
        return f"{NETLIST} took {outcome.cycles} cycles, {RTL} {expected.cycles}"
    name = next(name for name, value in expected.counters.items() if outcome.counters[name] != value)
    return f"counter {name} is {outcome.counters[name]} on {NETLIST}, {expected.counters[name]} on {RTL}"


def _unequal(memory: NDArray[np.uint8], expected: NDArray[np.uint8], whose: str) -> str | None:
    unequal = np.flatnonzero(memory != expected)
    if not len(unequal):
        return None
    at = int(unequal[0])
    got, wanted = int(memory[at]), int(expected[at])
    return f"DRAM byte {at:#x} is {got:#04x} on {NETLIST}, {wanted:#04x} on {whose}; {len(unequal)} bytes differ"
