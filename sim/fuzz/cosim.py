"""Runs a program on the RTL and on the functional simulator and compares every bit that both keep."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import Buffer, Finish, decode
from dovetail.isa.layout import EncodingError
from dovetail.isa.program import Program
from dovetail.isa.progress import Progress, silent
from dovetail.isa.registers import Cause, Status
from dovetail.sim.functional import FunctionalSimulator
from dovetail.sim.rtl.build import Flavour, Options, build
from dovetail.sim.rtl.client import Settings, Simulator
from dovetail.sim.rtl.machine import Outcome, run_program

WORD_BYTES = INSTRUCTION_BITS // 8
MEMORY_BYTES = 1 << 20
"""The program's words take the upper half, so that it need not be moved for longer programs."""
PROGRAM_ADDRESS = MEMORY_BYTES // 2
MAX_CYCLES = 2_000_000
"""No legal random program comes near."""
WATCHDOG_CYCLES = 20_000
"""More than any memory setting keeps a live machine waiting."""
DAMAGED_CYCLES = 50_000
"""How long a damaged program may go on before the machine is reset in the middle of it."""


class Cosimulation:
    """Both simulators of one machine, ready for one program after another; a context manager.

    Before each program the buffers of both get the same random contents, so that whatever is left over from before or
    read without being written shows.
    """

    def __init__(self, config: Config, progress: Progress = silent) -> None:
        self.config = config
        executable = build(config, Options(flavour=Flavour.REGRESS), progress)
        self._rtl = Simulator(executable, config, memory_bytes=MEMORY_BYTES)
        self._functional = FunctionalSimulator(config, np.zeros(MEMORY_BYTES, np.uint8))
        self._buffers = {buffer: getattr(self._functional, buffer.name.lower()) for buffer in Buffer}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rtl.close()

    def compare(self, program: Program, image: NDArray[np.uint8], seed: int) -> str | None:
        """Run a program that the static verifier accepts.

        Parameters
        ----------
        image:
            DRAM at the start, from address 0.
        seed:
            Of the memory's timing and the buffers' contents.

        Returns
        -------
        None when all of DRAM and every buffer agree, else a line that names the first difference.
        """
        self._prepare(image, seed)
        outcome = self._run(encoded_words(program), MAX_CYCLES)
        if outcome.status is not Status.DONE:
            return f"RTL ended as {describe(outcome)} instead of done"
        self._functional.run(program.instructions)
        return self._difference()

    def survive(self, words: Sequence[int], image: NDArray[np.uint8], seed: int) -> str | None:
        """Run words that need not be a program: the machine ends or is stopped, and can be used again.

        Returns
        -------
        None when all is well, else a line that says what is not.
        """
        self._prepare(image, seed)
        outcome = self._run(words, DAMAGED_CYCLES)
        if not outcome.finished:
            outcome = self._run([Finish().encode(self.config)], MAX_CYCLES)
            return None if outcome.status is Status.DONE else f"after reset RTL ended as {describe(outcome)}"
        if outcome.cause is Cause.ILLEGAL:
            first = next((k for k, word in enumerate(words) if not _legal(word, self.config)), len(words))
            if outcome.index != first:
                return f"RTL called instruction {outcome.index} illegal; the first such is {first}"
        return None

    def _prepare(self, image: NDArray[np.uint8], seed: int) -> None:
        if len(image) > PROGRAM_ADDRESS:
            raise ValueError(f"an image of {len(image)} bytes; at most {PROGRAM_ADDRESS} fit below the program")
        self._rtl.reset(memory_settings(seed))
        for memory in (self._rtl.memory, self._functional.memory):
            memory[...] = 0
            memory[: len(image)] = image
        self._functional.poison(np.random.default_rng(seed))
        for buffer, contents in self._buffers.items():
            self._rtl.fill(buffer, _as_bytes(contents))

    def _run(self, words: Sequence[int], max_cycles: int) -> Outcome:
        encoded = b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)
        for memory in (self._rtl.memory, self._functional.memory):
            memory[PROGRAM_ADDRESS : PROGRAM_ADDRESS + len(encoded)] = np.frombuffer(encoded, np.uint8)
        return run_program(
            self._rtl, address=PROGRAM_ADDRESS, length=len(words), watchdog=WATCHDOG_CYCLES, max_cycles=max_cycles
        )

    def _difference(self) -> str | None:
        unequal = np.flatnonzero(self._rtl.memory != self._functional.memory)
        if len(unequal):
            at = int(unequal[0])
            rtl, functional = int(self._rtl.memory[at]), int(self._functional.memory[at])
            return f"DRAM byte {at:#x} is {rtl:#04x} on RTL, {functional:#04x} on fsim; {len(unequal)} bytes differ"
        for buffer, contents in self._buffers.items():
            expected, got = _as_bytes(contents), self._rtl.dump(buffer)
            entries = np.flatnonzero((expected != got).any(axis=1))
            if len(entries):
                at = int(entries[0])
                return (
                    f"{buffer.name.lower()}[{at}] is {got[at].tobytes().hex()} on RTL, {expected[at].tobytes().hex()} "
                    f"on fsim; {len(entries)} entries differ"
                )
        return None


def memory_settings(seed: int) -> Settings:
    """How the memory behaves for the program of a seed."""
    rng = random.Random(seed)
    return Settings(
        latency=rng.choice((1, 2, 7, 30, 64, 200)),
        bytes_per_cycle=rng.choice((1, 4, 8, 16, 64)),
        stall=rng.choice((0.0, 0.1, 0.5)),
        seed=seed,
    )


def encoded_words(program: Program) -> list[int]:
    """A program's instructions, encoded."""
    return [instruction.encode(program.config) for instruction in program.instructions]


def _as_bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    return array.reshape(len(array), -1).view(np.uint8)


def _legal(word: int, config: Config) -> bool:
    try:
        decode(word, config)
    except EncodingError:
        return False
    return True


def describe(outcome: Outcome) -> str:
    """How a run ended, in words."""
    where = f" at {outcome.unit.name.lower()} instruction {outcome.index}" if outcome.cause else ""
    cause = f": {outcome.cause.name.lower()}{where}" if outcome.cause else ""
    return f"{outcome.status.name.lower()}{cause}"
