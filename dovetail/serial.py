"""A program without latency hiding: the same work, one unit at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from dovetail.isa.instructions import PREVIOUS, Instruction, Sync, Unit
from dovetail.isa.program import Program


def serialised(program: Program) -> Program:
    """`program` with tokens that let an instruction start only when the one before it in the program is complete.

    The program's own order must be one that its tokens allow.
    """
    return replace(program, instructions=tuple(_serialised(program.instructions)))


def _serialised(instructions: Sequence[Instruction]) -> Iterator[Instruction]:
    *body, finish = _bridged([_without_tokens(instruction) for instruction in instructions])
    popped: dict[str, bool] = {}
    for one, other in pairwise(body):
        pushed, popped_next = _hand_over(one.unit, other.unit)
        yield replace(one, **popped, **pushed)
        popped = popped_next
    yield from (replace(last, **popped) for last in body[-1:])
    yield finish


def _without_tokens(instruction: Instruction) -> Instruction:
    return replace(instruction, pop_prev=False, pop_next=False, push_prev=False, push_next=False)


def _bridged(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Without `Sync`, which only moves tokens, and with one in compute between load and store."""
    kept = [instruction for instruction in instructions if not isinstance(instruction, Sync)]
    bridged: list[Instruction] = kept[:1]
    for one, other in pairwise(kept):
        if {one.unit, other.unit} == {Unit.LOAD, Unit.STORE}:
            bridged.append(Sync(target=Unit.COMPUTE))
        bridged.append(other)
    return bridged


def _hand_over(giver: Unit, taker: Unit) -> tuple[dict[str, bool], dict[str, bool]]:
    """The flags with which `giver` passes a token to `taker`; none within a unit."""
    if giver == taker:
        return {}, {}
    if PREVIOUS[taker] == giver:
        return {"push_next": True}, {"pop_prev": True}
    return {"push_prev": True}, {"pop_next": True}
