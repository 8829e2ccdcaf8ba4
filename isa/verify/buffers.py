"""Accesses to the buffers: ranges, what was written before, and order between units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..instructions import Alu, Buffer, Gemm, Instruction, Load, Store, Unit, buffer_depth
from .errors import VerificationError, name
from .footprint import Entries, OutOfRangeError, block, expand
from .kernel import KernelRangeError, Touched, touched
from .tokens import Schedule

WRITERS = {
    Buffer.INP: (Unit.LOAD,),
    Buffer.WGT: (Unit.LOAD,),
    Buffer.ACC: (Unit.LOAD, Unit.COMPUTE),
    Buffer.UOP: (Unit.LOAD,),
}
READERS = {
    Buffer.INP: (Unit.COMPUTE,),
    Buffer.WGT: (Unit.COMPUTE,),
    Buffer.ACC: (Unit.COMPUTE, Unit.STORE),
    Buffer.UOP: (Unit.COMPUTE,),
}

Stamps = NDArray[np.int32]


class _Entries:
    """One buffer: who touched each entry last. A stamp is an instruction's number in its unit; 0 is nobody."""

    def __init__(self, buffer: Buffer, depth: int) -> None:
        self.depth = depth
        self.defined = np.zeros(depth, dtype=bool)
        self.written = {unit: np.zeros(depth, dtype=np.int32) for unit in WRITERS[buffer]}
        self.read = {unit: np.zeros(depth, dtype=np.int32) for unit in READERS[buffer]}


class BufferOrder:
    """Checks accesses one instruction after another, in an order that the schedule allows."""

    def __init__(self, instructions: Sequence[Instruction], config: Config, schedule: Schedule) -> None:
        self.instructions, self.config, self.schedule = instructions, config, schedule
        self.buffers = {buffer: _Entries(buffer, buffer_depth(config, buffer)) for buffer in Buffer}
        self.kernels: dict[object, Touched] = {}

    def load(self, index: int, instruction: Load) -> slice:
        """Check a LOAD; the entries it fills."""
        buffer = Buffer(instruction.buffer)
        end = instruction.sram + instruction.sram_entries
        if end > self.buffers[buffer].depth:
            raise self._range(index, buffer, end - 1)
        entries = slice(instruction.sram, end, 1)
        self._write(index, buffer, entries)
        return entries

    def store(self, index: int, instruction: Store) -> None:
        """Check a STORE's accumulators."""
        try:
            rows, step = instruction.rows, instruction.sram_stride
            entries = block(instruction.sram, rows, instruction.cols, step, self.config.acc_depth)
        except OutOfRangeError as error:
            raise self._range(index, Buffer.ACC, error.value) from None
        self._read(index, Buffer.ACC, entries)

    def fetch_kernel(self, index: int, instruction: Gemm | Alu) -> slice:
        """Check that the micro-ops are there; their entries."""
        end = instruction.uop_begin + instruction.uop_count
        if end > self.config.uop_depth:
            raise self._range(index, Buffer.UOP, end - 1)
        entries = slice(instruction.uop_begin, end, 1)
        self._read(index, Buffer.UOP, entries)
        return entries

    def compute(self, index: int, instruction: Gemm | Alu, words: NDArray[np.uint64]) -> None:
        """Check a GEMM or ALU whose micro-ops are `words`."""
        kernel = self._touched(index, instruction, words)
        for buffer, entries in kernel.reads:
            self._read(index, buffer, entries)
        self._write(index, Buffer.ACC, kernel.writes)

    def _touched(self, index: int, instruction: Gemm | Alu, words: NDArray[np.uint64]) -> Touched:
        fields = (instruction.overwrite,) if isinstance(instruction, Gemm) else (instruction.op, instruction.source)
        steps = tuple(
            getattr(instruction, f"{what}_{loop}", 0) for what in ("dst", "src", "wgt") for loop in ("outer", "inner")
        )
        key = (type(instruction), fields, instruction.outer, instruction.inner, steps, words.tobytes())
        if key not in self.kernels:
            try:
                self.kernels[key] = touched(instruction, words, self.config)
            except KernelRangeError as error:
                raise self._range(index, error.buffer, error.value) from None
        return self.kernels[key]

    def _read(self, index: int, buffer: Buffer, entries: Entries) -> None:
        state = self.buffers[buffer]
        defined = state.defined[entries]
        if not defined.all():
            entry = expand(entries)[int(np.argmin(defined))]
            what = f"reads {buffer.name.lower()}[{entry}], which nothing before it writes"
            raise VerificationError("undefined", what, index, self.instructions[index])
        self._require_order(index, buffer, entries, state.written.items(), "reads", "writes")
        state.read[self.instructions[index].unit][entries] = self.schedule.number[index]

    def _write(self, index: int, buffer: Buffer, entries: Entries) -> None:
        state = self.buffers[buffer]
        self._require_order(index, buffer, entries, state.written.items(), "writes", "writes")
        self._require_order(index, buffer, entries, state.read.items(), "writes", "reads")
        state.written[self.instructions[index].unit][entries] = self.schedule.number[index]
        state.defined[entries] = True

    def _require_order(
        self,
        index: int,
        buffer: Buffer,
        entries: Entries,
        others: Iterable[tuple[Unit, Stamps]],
        mine: str,
        theirs: str,
    ) -> None:
        clock, unit = self.schedule.clocks[index], self.instructions[index].unit
        for other, stamps in others:
            if other is unit:
                continue
            last = stamps[entries]
            if last.size and last.max() > clock[other]:
                at = int(np.argmax(last > clock[other]))
                entry = f"{buffer.name.lower()}[{expand(entries)[at]}]"
                rival = self.schedule.index(other, int(last[at]))
                raise race(self.instructions, index, rival, entry, mine, theirs)

    def _range(self, index: int, buffer: Buffer, value: int) -> VerificationError:
        depth, text = self.buffers[buffer].depth, buffer.name.lower()
        what = f"reaches {text}[{value}]; the last entry is {text}[{depth - 1}] ({text}_depth={depth})"
        return VerificationError("buffer-range", what, index, self.instructions[index])


def race(
    instructions: Sequence[Instruction], index: int, rival: int, where: str, mine: str, theirs: str
) -> VerificationError:
    """The error for two accesses to `where` that no token orders."""
    what = f"{mine} {where}, which {name(rival, instructions[rival])} {theirs}; no token orders the two"
    return VerificationError("race", what, index, instructions[index])
