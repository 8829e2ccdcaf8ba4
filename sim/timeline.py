"""What the units did, as a Chrome trace that Perfetto (https://ui.perfetto.dev) shows: a track for each unit with its
instructions and waits, and the levels of the token queues.

A cycle is shown as a microsecond, the format's smallest whole unit.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.disassembler import format_instruction
from dovetail.isa.instructions import Instruction, Queue, Unit
from dovetail.isa.registers import Activity

UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
PROCESS = 1
WAIT_NAMES = {
    Unit.LOAD: {Activity.WAIT_NEXT: "wait for compute"},
    Unit.COMPUTE: {Activity.WAIT_PREV: "wait for load", Activity.WAIT_NEXT: "wait for store"},
    Unit.STORE: {Activity.WAIT_PREV: "wait for compute"},
}
OTHER_WAITS = {Activity.WAIT_MEMORY: "wait for memory", Activity.WAIT_HAZARD: "wait for accumulators"}


@dataclass(frozen=True)
class Change:
    """What happens from `cycle` on: for each of `UNITS` its activity and instruction, for each `Queue` its level."""

    cycle: int
    running: bool
    activity: tuple[Activity, ...]
    index: tuple[int, ...]
    levels: tuple[int, ...]


@dataclass(frozen=True)
class Recording:
    """Changes in their order, as arrays.

    Attributes
    ----------
    cycle: int64 [changes]
    running: bool [changes]
    activity, index: int64 [changes, units]
    levels: int64 [changes, queues]
        See `Change`.
    """

    cycle: NDArray[np.int64]
    running: NDArray[np.bool_]
    activity: NDArray[np.int64]
    index: NDArray[np.int64]
    levels: NDArray[np.int64]

    def changes(self) -> list[Change]:
        """The same, one by one."""
        arrays = (self.cycle, self.running, self.activity, self.index, self.levels)
        return [
            Change(cycle, running, tuple(map(Activity, activity)), tuple(index), tuple(levels))
            for cycle, running, activity, index, levels in zip(*[array.tolist() for array in arrays], strict=True)
        ]

    def instruction_ends(self, instructions: Sequence[Instruction]) -> NDArray[np.int64]:
        """For each instruction the cycles from the start of the program to its end; 0 for one that was not seen."""
        ends = np.zeros(len(instructions), np.int64)
        if not self.running.any():
            return ends
        own = np.array([instruction.unit for instruction in instructions])
        after = np.append(self.cycle[1:], self.cycle[-1:]) - self.cycle[np.argmax(self.running)]
        for place, unit in enumerate(UNITS):
            index = self.index[:, place]
            known = self.running & (self.activity[:, place] != Activity.IDLE) & (index < len(instructions))
            known[known] = own[index[known]] == unit  # before its first instruction a unit's index means nothing
            np.maximum.at(ends, index[known], after[known])
        return ends


def chrome_trace(changes: Sequence[Change], instructions: Sequence[Instruction]) -> dict[str, Any]:
    """The trace of a run as an object for JSON."""
    begin = next((change.cycle for change in changes if change.running), 0)
    events = [_name("process_name", 0, "dovetail")]
    for place, unit in enumerate(UNITS):
        events.append(_name("thread_name", unit + 1, unit.name.lower()))
        events += _slices(changes, instructions, place, begin)
    for queue in Queue:
        events += _levels(changes, queue, begin)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"one microsecond is": "one cycle"}}


def write_trace(path: Path, changes: Sequence[Change], instructions: Sequence[Instruction]) -> None:
    """Write `chrome_trace` to a file, which is at no time incomplete.

    Raises
    ------
    OSError:
        The file cannot be written.
    """
    text = json.dumps(chrome_trace(changes, instructions), separators=(",", ":"))
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(text)  # such as /dev/stdout, which must not be replaced
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        partial = Path(folder) / path.name
        partial.write_text(text)
        os.replace(partial, path)


def _name(what: str, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": thread, "args": {"name": name}}


def _slices(
    changes: Sequence[Change], instructions: Sequence[Instruction], place: int, begin: int
) -> Iterator[dict[str, Any]]:
    """A slice for each instruction, and inside it a slice for each wait."""
    unit = UNITS[place]
    for first, last, index in _runs(changes, [_instruction(change, place) for change in changes]):
        if index is None or index >= len(instructions) or instructions[index].unit is not unit:
            continue  # before its first instruction a unit's index means nothing
        args = {"index": index, "text": format_instruction(instructions[index])}
        yield _slice(instructions[index].opcode.name, "instruction", unit, first - begin, last - first, args)
    for first, last, reason in _runs(changes, [_wait(change, place) for change in changes]):
        if reason is not None:
            yield _slice(reason, "wait", unit, first - begin, last - first, {})


def _instruction(change: Change, place: int) -> int | None:
    idle = not change.running or change.activity[place] is Activity.IDLE
    return None if idle else change.index[place]


def _wait(change: Change, place: int) -> str | None:
    if not change.running:
        return None
    activity = change.activity[place]
    return WAIT_NAMES[UNITS[place]].get(activity) or OTHER_WAITS.get(activity)


def _slice(name: str, category: str, unit: Unit, start: int, duration: int, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": PROCESS,
        "tid": unit + 1,
        "ts": start,
        "dur": duration,
        "args": args,
    }


def _levels(changes: Sequence[Change], queue: Queue, begin: int) -> Iterator[dict[str, Any]]:
    for first, _, level in _runs(changes, [change.levels[queue] for change in changes]):
        name = f"tokens {queue.name.lower().replace('_', ' ')}"
        yield {"ph": "C", "name": name, "pid": PROCESS, "ts": max(0, first - begin), "args": {"tokens": level}}


def _runs(changes: Sequence[Change], values: Sequence[Any]) -> Iterator[tuple[int, int, Any]]:
    """Stretches of equal values: first cycle, the cycle after the last, value. The last change ends the last."""
    start = 0
    for place in range(1, len(changes)):
        if values[place] != values[start]:
            yield changes[start].cycle, changes[place].cycle, values[start]
            start = place
    if changes and changes[-1].cycle > changes[start].cycle:
        yield changes[start].cycle, changes[-1].cycle, values[start]
