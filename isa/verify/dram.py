"""Accesses to DRAM: ranges, residuals, the program's own words, and order between load and store.

Only load and store touch DRAM, and store runs in order with itself. So order matters for bytes that both touch, which
are few: of all rows, only those are kept, cut where any of them begins or ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..accesses import DramAccess, dram_accesses
from ..config import Config
from ..instructions import Instruction, Load, Post, Store, Unit
from .buffers import race
from .errors import VerificationError
from .footprint import Entries, Indices, compact, expand
from .tokens import Schedule

Accesses = list[list[DramAccess]]
"""For each instruction, what it touches."""


def check_ranges(
    instructions: Sequence[Instruction], config: Config, dram_bytes: int, region: tuple[int, int] | None
) -> Accesses:
    """Rules ``dram-range``, ``program-region`` and ``residual``; what each instruction touches."""
    found: Accesses = []
    post: Post | None = None
    for index, instruction in enumerate(instructions):
        if isinstance(instruction, Post):
            post = instruction
        accesses = dram_accesses(instruction, config, post)
        for access in accesses:
            what = f"dram[{access.address:#x}]" if access.field == "dram" else f"residual at dram[{access.address:#x}]"
            if access.end > dram_bytes:
                reach = f"{what} and what follows reach byte {access.end - 1:#x}"
                raise VerificationError("dram-range", f"{reach}; dram_bytes is {dram_bytes:#x}", index, instruction)
            if access.write and region is not None:
                _check_region(access, region, index, instruction)
        if len(accesses) == 2:
            residual, output = accesses
            _check_residual(residual, output, index, instruction)
        found.append(accesses)
    return found


def _check_region(access: DramAccess, region: tuple[int, int], index: int, instruction: Instruction) -> None:
    begin, end = region[0], region[0] + region[1]
    starts, ends = _rows(access)
    hit = (starts < end) & (ends > begin)
    if hit.any():
        byte = max(begin, int(starts[int(np.argmax(hit))]))
        what = f"writes byte {byte:#x}; bytes {begin:#x} to {end - 1:#x} hold the program"
        raise VerificationError("program-region", what, index, instruction)


def _check_residual(residual: DramAccess, output: DramAccess, index: int, instruction: Instruction) -> None:
    rows, size, pitch = output.rows, output.row_bytes, output.pitch
    if rows > 1 and pitch < size:
        what = f"rows of {size} bytes overlap at {pitch} bytes from one to the next; with residual they must not"
        raise VerificationError("residual", what, index, instruction)
    offset = residual.address - output.address
    nearest = -offset // pitch if pitch else 0
    for rows_on in (max(1 - rows, min(rows - 1, near)) for near in (nearest, nearest + 1)):
        if offset and abs(offset + rows_on * pitch) < size:
            what = f"residual_offset is {offset}, so that it overwrites residuals that it has yet to read"
            raise VerificationError("residual", f"{what}; it must be 0 or lead elsewhere", index, instruction)


def _rows(access: DramAccess) -> tuple[Indices, Indices]:
    """Where the rows begin and end; rows without a gap between them are one."""
    if access.rows == 1 or access.pitch <= access.row_bytes:
        return np.array([access.address]), np.array([access.end])
    starts = access.address + np.arange(access.rows, dtype=np.int64) * access.pitch
    return starts, starts + access.row_bytes


class DramOrder:
    """Checks LOADs and STOREs one after another, in an order that the schedule allows."""

    def __init__(self, instructions: Sequence[Instruction], accesses: Accesses, schedule: Schedule) -> None:
        self.instructions, self.schedule = instructions, schedule
        loads = {i: _rows(accesses[i][0]) for i, found in enumerate(instructions) if isinstance(found, Load)}
        stores = {i: _rows(accesses[i][-1]) for i, found in enumerate(instructions) if isinstance(found, Store)}
        begins, ends = _union(list(stores.values()))
        loads = {index: rows for index, rows in loads.items() if _meets(rows, begins, ends)}
        both = [*loads.values(), *stores.values()] if loads else []
        edges = [edge for rows in both for edge in rows]
        self.cuts = np.unique(np.concatenate(edges)) if edges else np.empty(0, dtype=np.int64)
        self.rows = loads | stores if loads else {}
        self.loaded = np.zeros(len(self.cuts), dtype=np.int32)
        self.stored = np.zeros(len(self.cuts), dtype=np.int32)

    def load(self, index: int) -> bool:
        """Check a LOAD; whether it reads anything that the program has stored."""
        if index not in self.rows:
            return False
        pieces = self._pieces(index)
        self._require_order(index, pieces, Unit.STORE, self.stored, "reads", "writes")
        self.loaded[pieces] = self.schedule.number[index]
        return bool(self.stored[pieces].any())

    def store(self, index: int) -> None:
        """Check what a STORE writes."""
        if index in self.rows:
            pieces = self._pieces(index)
            self._require_order(index, pieces, Unit.LOAD, self.loaded, "writes", "reads")
            self.stored[pieces] = self.schedule.number[index]

    def _pieces(self, index: int) -> Entries:
        starts, ends = self.rows[index]
        first, last = np.searchsorted(self.cuts, starts), np.searchsorted(self.cuts, ends)
        if len(first) == 1:
            return slice(int(first[0]), int(last[0]), 1)
        lengths = last - first
        skipped = np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
        return compact(skipped + np.arange(int(lengths.sum())))

    def _require_order(
        self, index: int, pieces: Entries, other: Unit, stamps: NDArray[np.int32], mine: str, theirs: str
    ) -> None:
        last, known = stamps[pieces], self.schedule.clocks[index][other]
        if last.max() > known:
            at = int(np.argmax(last > known))
            byte = f"byte {self.cuts[expand(pieces)[at]]:#x} of DRAM"
            raise race(self.instructions, index, self.schedule.index(other, int(last[at])), byte, mine, theirs)


def _union(rows: list[tuple[Indices, Indices]]) -> tuple[Indices, Indices]:
    """The intervals that rows cover together, sorted and apart."""
    if not rows:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    starts, ends = (np.concatenate(edges) for edges in zip(*rows, strict=True))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    fresh = np.concatenate([[True], starts[1:] > ends[:-1]])
    return starts[fresh], ends[np.concatenate([fresh[1:], [True]])]


def _meets(rows: tuple[Indices, Indices], begins: Indices, ends: Indices) -> bool:
    """Whether a row has a byte in common with sorted intervals."""
    starts, stops = rows
    return bool((np.searchsorted(begins, stops) > np.searchsorted(ends, starts, side="right")).any())
