"""The compute unit, as `hw.sequencer` and `hw.compute` have it: its slots, and when they use the accumulators."""

from __future__ import annotations

from typing import Any

from dovetail.hw.compute import INDEX_STAGE, OPERAND_STAGE, READ_LATENCY

from .compiled import registers, step
from .encode import WORKS
from .fifo import skid_step

COMPUTE = registers(
    *("read_stage", "write_stage", "acc_depth", "position", "active", "shows", "current", "half"),
    *("outer", "inner", "uop", "dst", "last_valid", "last_writes", "last_dst", "settles", "pushes_until"),
)
"""The first three are settings: the stages of a slot that read and write. `shows`: the instruction at work
has slots, or a token to give. `settles`: cycles until all of them are done.
`pushes_until`: the cycle of the last token that is planned."""
AHEAD = 64
"""Cycles that are planned ahead, more than a slot has stages."""
READS, WRITES, PUSHES_LOAD, PUSHES_STORE = range(4)
"""Rows of the plan, int64 [4, `AHEAD`]: what happens in a cycle, modulo `AHEAD`."""


def stages(array_latency: int) -> tuple[int, int]:
    """The stages in which a slot asks for its accumulator, and writes it."""
    execute = OPERAND_STAGE + array_latency + 1
    assert INDEX_STAGE < execute - READ_LATENCY
    return execute - READ_LATENCY, execute + 1


@step
def at_last(c: Any, entries: Any) -> int:
    """Whether this cycle's slot is the last of its instruction."""
    if c.active == 0:
        return 0
    e = entries[c.current]
    if e.kind != WORKS:
        return 1
    last = c.half == 0 and c.uop == e.uop_count - 1 and c.inner == e.inner - 1 and c.outer == e.outer - 1
    return 1 if last else 0


@step
def compute_step(
    c: Any, ahead: Any, entries: Any, queue: Any, plan: Any, dsts: Any, srcs: Any, now: int, offered: int, starts: int
) -> None:
    """A cycle with an instruction `offered` by the queue, in which the one at the head of `ahead` starts.

    Parameters
    ----------
    ahead:
        A `SKID`.
    dsts, srcs: int64 [micro-ops]
        What the micro-ops name.
    """
    last = at_last(c, entries)
    if c.settles:
        c.settles -= 1
    for row in range(4):
        plan[row, now % AHEAD] = 0
    valid, writes, dst = 0, 0, 0
    if c.active:
        e = entries[c.current]
        if c.shows:
            c.settles = c.write_stage
        if e.kind == WORKS:
            uop = e.uop_begin + c.uop
            if c.half:
                dst = srcs[uop] + c.outer * e.src_outer + c.inner * e.src_inner
            else:
                dst = dsts[uop] + c.outer * e.dst_outer + c.inner * e.dst_inner
            dst %= c.acc_depth
            valid, writes = 1, 1 - c.half
            follows = c.last_valid and c.last_writes and c.last_dst == dst
            overwrites = e.is_gemm and e.overwrite and c.uop == 0
            if not overwrites and not follows:
                plan[READS, (now + c.read_stage) % AHEAD] = 1
            if writes:
                plan[WRITES, (now + c.write_stage) % AHEAD] = 1
                if follows:
                    plan[WRITES, (now + c.write_stage - 1) % AHEAD] = 0
            if e.two_slots and c.half:
                c.half = 0
            else:
                c.half = e.two_slots
                c.uop += 1
                if c.uop == e.uop_count:
                    c.uop = 0
                    c.inner += 1
                    if c.inner == e.inner:
                        c.inner = 0
                        c.outer += 1
        if last:
            plan[PUSHES_LOAD, (now + c.write_stage) % AHEAD] = e.push_prev
            plan[PUSHES_STORE, (now + c.write_stage) % AHEAD] = e.push_next
            c.pushes_until = now + c.write_stage
            c.active = 0
    c.last_valid, c.last_writes, c.last_dst = valid, writes, dst
    if starts:
        c.current = queue[c.position]
        c.position += 1
        c.active = 1
        e = entries[c.current]
        c.shows = e.kind == WORKS or e.push_prev or e.push_next
        c.outer, c.inner, c.uop = 0, 0, 0
        c.half = entries[c.current].two_slots
    skid_step(ahead, offered, starts)


@step
def slots_left(c: Any, entries: Any) -> int:
    """Slots of the instruction at work that are yet to be given."""
    e = entries[c.current]
    if e.kind != WORKS:
        return 1
    trips: int = ((e.outer - c.outer) * e.inner - c.inner) * e.uop_count - c.uop
    slots: int = trips * (1 + e.two_slots) - (1 if (e.two_slots and c.half == 0) else 0)
    return slots


@step
def compute_skip(c: Any, entries: Any, cycles: int) -> None:
    """Give so many slots at once; nobody else is to want accumulators meanwhile."""
    e = entries[c.current]
    done = (c.outer * e.inner + c.inner) * e.uop_count + c.uop
    if e.two_slots:
        halves = done * 2 + (0 if c.half else 1) + cycles
        done, c.half = halves // 2, 1 - halves % 2
    else:
        done += cycles
    c.uop = done % e.uop_count
    done //= e.uop_count
    c.inner = done % e.inner
    c.outer = done // e.inner
    c.last_valid = 0


@step
def compute_idle(c: Any, ahead: Any) -> int:
    """Whether nothing waits or is under way."""
    return 0 if (ahead.out or (c.active and c.shows) or c.settles) else 1
