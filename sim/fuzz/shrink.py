"""The smallest program that still fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.isa.instructions import Finish, Instruction, Queue, Sync, Unit
from dovetail.isa.program import Program
from dovetail.isa.verify import VerificationError, verify

FLAGS = ("pop_prev", "pop_next", "push_prev", "push_next")
SIDES = {
    Queue.LOAD_TO_COMPUTE: ("push_next", "pop_prev"),
    Queue.COMPUTE_TO_LOAD: ("push_prev", "pop_next"),
    Queue.COMPUTE_TO_STORE: ("push_next", "pop_prev"),
    Queue.STORE_TO_COMPUTE: ("push_prev", "pop_next"),
}
"""The flags with which a token is given to each queue and taken from it."""

Instructions = tuple[Instruction, ...]


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Remove and simplify instructions of a failing program as long as it stays legal and `fails`.

    Instructions with tokens first become SYNC; tokens are then removed in pairs. The result cannot lose any single
    instruction, pair of tokens or field's value. Where the program is not legal to begin with, all candidates count as
    legal.

    Parameters
    ----------
    fails:
        Runs a program and says whether it shows the fault.
    """
    must_be_legal = _legal(program)

    def accepts(candidate: Program) -> bool:
        return (not must_be_legal or _legal(candidate)) and fails(candidate)

    shrinking = True
    while shrinking:
        shrinking = False
        for edits in (_without_parts, _without_tokens, _without_syncs, _with_simpler_fields):
            smaller = _improve(program, edits, accepts)
            shrinking |= smaller is not program
            program = smaller
    return program


def _improve(
    program: Program, edits: Callable[[Instructions], Iterator[Instructions]], accepts: Callable[[Program], bool]
) -> Program:
    """Apply edits until none is accepted."""
    improved = True
    while improved:
        improved = False
        for instructions in edits(program.instructions):
            candidate = dataclasses.replace(program, instructions=instructions)
            if accepts(candidate):
                program, improved = candidate, True
                break
    return program


def _legal(program: Program) -> bool:
    try:
        verify(program)
    except VerificationError:
        return False
    return True


def _without_parts(instructions: Instructions) -> Iterator[Instructions]:
    """Leave out half of the instructions, a quarter, ... a single one."""
    size = max(1, len(instructions) // 2)
    while size:
        for at in range(0, len(instructions), size):
            kept = [left for item in instructions[at : at + size] if (left := _remains(item)) is not None]
            shorter = (*instructions[:at], *kept, *instructions[at + size :])
            if shorter != instructions:
                yield shorter
        size //= 2


def _remains(instruction: Instruction) -> Instruction | None:
    """What must stay of an instruction that is left out: its tokens, and the end of the program."""
    if isinstance(instruction, Finish):
        return instruction
    flags = _flags(instruction)
    return Sync(target=instruction.unit, **flags) if any(flags.values()) else None


def _flags(instruction: Instruction) -> dict[str, bool]:
    return {name: bool(getattr(instruction, name)) for name in FLAGS}


def _without_tokens(instructions: Instructions) -> Iterator[Instructions]:
    """Leave out one token: the flag that gives it and the flag that takes it."""
    for queue in Queue:
        givers = [index for index, item in enumerate(instructions) if queue in item.pushes()]
        takers = [index for index, item in enumerate(instructions) if queue in item.pops()]
        give, take = SIDES[queue]
        for giver, taker in zip(givers, takers, strict=False):
            edited = list(instructions)
            edited[giver] = dataclasses.replace(edited[giver], **{give: False})
            edited[taker] = dataclasses.replace(edited[taker], **{take: False})
            yield tuple(edited)


def _without_syncs(instructions: Instructions) -> Iterator[Instructions]:
    """Have a SYNC's tokens taken by its unit's next instruction and given by its previous one."""
    for index, instruction in enumerate(instructions):
        if not isinstance(instruction, Sync):
            continue
        edited = list(instructions)
        same = [at for at, item in enumerate(instructions) if item.unit == instruction.unit]
        place = same.index(index)
        moves = [(name, same[place + 1 :][:1] if name.startswith("pop") else same[:place][-1:]) for name in FLAGS]
        moves = [(name, target) for name, target in moves if getattr(instruction, name)]
        for name, target in moves:
            if not target or getattr(edited[target[0]], name):
                break
            edited[target[0]] = dataclasses.replace(edited[target[0]], **{name: True})
        else:
            yield tuple(edited[:index] + edited[index + 1 :])


def _with_simpler_fields(instructions: Instructions) -> Iterator[Instructions]:
    """Give one field its default or lowest value, or half of what it has."""
    for index, instruction in enumerate(instructions):
        for field in dataclasses.fields(instruction):
            value = getattr(instruction, field.name)
            if field.name in FLAGS or isinstance(value, Unit) or not isinstance(value, int):
                continue
            for simpler in _simpler(field, value):
                edited = list(instructions)
                changes: dict[str, Any] = {field.name: simpler}
                edited[index] = dataclasses.replace(instruction, **changes)
                yield tuple(edited)


def _simpler(field: dataclasses.Field[Any], value: int) -> list[int]:
    spec = field.metadata["bits"]
    if spec.enum is not None:
        return []
    lowest = 1 if spec.nonzero else 0
    default = lowest if field.default is dataclasses.MISSING else field.default
    candidates = [default, lowest, value // 2]
    return [
        type(value)(candidate)
        for place, candidate in enumerate(candidates)
        if abs(candidate) < abs(value) and candidate >= lowest and candidate not in candidates[:place]
    ]
