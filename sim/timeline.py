"""What the units did, as a Chrome trace that Perfetto (https://ui.perfetto.dev) shows: a track for each unit with its
instructions and waits, one for the operators of a network, and the levels of the token queues.

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
LAYERS = len(UNITS) + 1
"""The track of a network's operators."""
INSTRUCTION = "instruction"
"""Category of slices."""
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


@dataclass(frozen=True)
class Section:
    """A range of a program's instructions, from `begin` to before `end`: an operator of a network."""

    name: str
    begin: int
    end: int


class Trace:
    """A Chrome trace of runs, one after another."""

    def __init__(self) -> None:
        first = {"ph": "M", "name": "thread_sort_index", "pid": PROCESS, "tid": LAYERS, "args": {"sort_index": 0}}
        names = [_name("process_name", 0, "dovetail"), _name("thread_name", LAYERS, "layers"), first]
        names += [_name("thread_name", unit + 1, unit.name.lower()) for unit in UNITS]
        self._pieces = [_encoded(names)]
        self._end = 0

    def add(
        self, changes: Sequence[Change], instructions: Sequence[Instruction], sections: Sequence[Section] = ()
    ) -> None:
        """Append a run.

        Parameters
        ----------
        sections:
            What is shown on a track of its own, each from the end of the one before to the end of its last instruction.
        """
        begin = next((change.cycle for change in changes if change.running), 0)
        shift = begin - self._end
        events: list[dict[str, Any]] = []
        for place in range(len(UNITS)):
            events += _slices(changes, instructions, place, shift)
        events += _section_slices(events, sections, self._end)
        for queue in Queue:
            events += _levels(changes, queue, begin, shift)
        if events:
            self._pieces.append(_encoded(events))
        if changes:
            self._end = changes[-1].cycle - shift

    def text(self) -> str:
        """The trace as JSON."""
        rest = _encoded({"displayTimeUnit": "ms", "otherData": {"one microsecond is": "one cycle"}})
        return f'{{"traceEvents":[{",".join(self._pieces)}],{rest}}}'

    def write(self, path: Path) -> None:
        """Write the trace to a file, which is at no time incomplete.

        Raises
        ------
        OSError:
            The file cannot be written.
        """
        path = path.resolve()
        if path.exists() and not path.is_file():
            path.write_text(self.text())  # such as /dev/stdout, which must not be replaced
            return
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            partial = Path(folder) / path.name
            partial.write_text(self.text())
            os.replace(partial, path)


def _encoded(value: list[dict[str, Any]] | dict[str, Any]) -> str:
    """The members of a list or an object, without its brackets."""
    return json.dumps(value, separators=(",", ":"))[1:-1]


def _name(what: str, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": thread, "args": {"name": name}}


def _slices(
    changes: Sequence[Change], instructions: Sequence[Instruction], place: int, shift: int
) -> Iterator[dict[str, Any]]:
    """A slice for each instruction, and inside it a slice for each wait; `shift` is the cycle that is shown as 0."""
    unit = UNITS[place]
    for first, last, index in _runs(changes, [_instruction(change, place) for change in changes]):
        if index is None or index >= len(instructions) or instructions[index].unit is not unit:
            continue  # before its first instruction a unit's index means nothing
        args = {"index": index, "text": format_instruction(instructions[index])}
        name = instructions[index].opcode.name
        yield _slice(name, INSTRUCTION, unit + 1, first - shift, last - first, args)
    for first, last, reason in _runs(changes, [_wait(change, place) for change in changes]):
        if reason is not None:
            yield _slice(reason, "wait", unit + 1, first - shift, last - first, {})


def _section_slices(
    events: Sequence[dict[str, Any]], sections: Sequence[Section], begin: int
) -> Iterator[dict[str, Any]]:
    """A slice for each section, from slices of instructions."""
    ends: dict[int, int] = {}
    for event in events:
        if event["cat"] == INSTRUCTION:
            index, end = event["args"]["index"], event["ts"] + event["dur"]
            ends[index] = max(end, ends.get(index, end))
    for section in sorted(sections, key=lambda one: one.begin):
        last = max((ends.get(index, 0) for index in range(section.begin, section.end)), default=0)
        if last > begin:
            yield _slice(section.name, "layer", LAYERS, begin, last - begin, {})
            begin = last


def _instruction(change: Change, place: int) -> int | None:
    idle = not change.running or change.activity[place] is Activity.IDLE
    return None if idle else change.index[place]


def _wait(change: Change, place: int) -> str | None:
    if not change.running:
        return None
    activity = change.activity[place]
    return WAIT_NAMES[UNITS[place]].get(activity) or OTHER_WAITS.get(activity)


def _slice(name: str, category: str, thread: int, start: int, duration: int, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": PROCESS,
        "tid": thread,
        "ts": start,
        "dur": duration,
        "args": args,
    }


def _levels(changes: Sequence[Change], queue: Queue, begin: int, shift: int) -> Iterator[dict[str, Any]]:
    for first, _, level in _runs(changes, [change.levels[queue] for change in changes]):
        name = f"tokens {queue.name.lower().replace('_', ' ')}"
        yield {"ph": "C", "name": name, "pid": PROCESS, "ts": max(begin, first) - shift, "args": {"tokens": level}}


def _runs(changes: Sequence[Change], values: Sequence[Any]) -> Iterator[tuple[int, int, Any]]:
    """Stretches of equal values: first cycle, the cycle after the last, value. The last change ends the last."""
    start = 0
    for place in range(1, len(changes)):
        if values[place] != values[start]:
            yield changes[start].cycle, changes[place].cycle, values[start]
            start = place
    if changes and changes[-1].cycle > changes[start].cycle:
        yield changes[start].cycle, changes[-1].cycle, values[start]
