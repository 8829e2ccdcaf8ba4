"""The memory behind the bus, as `sim/rtl/dram.sv` has it, without random pauses."""

from __future__ import annotations

from typing import Any

from .compiled import registers, step

DEPTH = 64
"""Requests of a kind that the memory keeps."""
MEMORY = registers(
    *("latency", "rate", "beat_bytes", "budget", "turn", "now"),
    *("reads", "reads_done", "read_beat", "writes", "writes_done", "write_beat", "answers", "answers_done"),
    *("ar_ready", "r_valid", "r_last", "r_id", "aw_ready", "w_ready", "b_valid"),
)
"""The first three are settings: cycles, bytes a cycle, and the bus's bytes. Requests are counted."""
READ_TIME, READ_LEN, READ_ID, WRITE_LEN, ANSWER_TIME = range(5)
"""Rows of the table of what is in flight, int64 [5, `DEPTH`]."""


@step
def memory_step(m: Any, t: Any, ar: int, ar_len: int, ar_id: int, r_ready: int, aw: int, aw_len: int, w: int) -> None:
    """A cycle, with the master's valid signals and the lengths of its bursts less one."""
    read_free = m.r_valid == 0 or r_ready
    credit = m.w_ready
    m.now += 1
    m.budget = min(m.budget + m.rate, m.rate + m.beat_bytes)
    if ar and m.ar_ready:
        place = m.reads % DEPTH
        t[READ_TIME, place] = m.now + m.latency - 1
        t[READ_LEN, place] = ar_len
        t[READ_ID, place] = ar_id
        m.reads += 1
    if aw and m.aw_ready:
        t[WRITE_LEN, m.writes % DEPTH] = aw_len
        m.writes += 1
    if w and m.w_ready:
        credit = 0
        if m.write_beat == t[WRITE_LEN, m.writes_done % DEPTH]:
            t[ANSWER_TIME, m.answers % DEPTH] = m.now + m.latency - 1
            m.answers += 1
            m.writes_done += 1
            m.write_beat = 0
        else:
            m.write_beat += 1

    if read_free:
        m.r_valid = 0
    head = m.reads_done % DEPTH
    wants_read = read_free and m.reads_done != m.reads and t[READ_TIME, head] <= m.now
    wants_write = credit == 0 and m.writes_done != m.writes and m.answers - m.answers_done != DEPTH
    if wants_read and wants_write and m.budget < 2 * m.beat_bytes:
        wants_read = m.turn == 1
        wants_write = m.turn == 0
        if m.budget >= m.beat_bytes:
            m.turn = 1 - m.turn
    if wants_read and m.budget >= m.beat_bytes:
        m.budget -= m.beat_bytes
        m.r_valid = 1
        m.r_id = t[READ_ID, head]
        m.r_last = m.read_beat == t[READ_LEN, head]
        if m.r_last:
            m.reads_done += 1
            m.read_beat = 0
        else:
            m.read_beat += 1
    if wants_write and m.budget >= m.beat_bytes:
        m.budget -= m.beat_bytes
        credit = 1
    m.w_ready = credit
    m.b_valid = 0
    if m.answers_done != m.answers and t[ANSWER_TIME, m.answers_done % DEPTH] <= m.now:
        m.b_valid = 1
        m.answers_done += 1
    m.ar_ready = m.reads - m.reads_done < DEPTH
    m.aw_ready = m.writes - m.writes_done < DEPTH
