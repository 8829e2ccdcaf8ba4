"""Blocks in memory as bursts, as `hw.bursts` cuts them."""

from __future__ import annotations

from typing import Any

from .compiled import registers, step

SPLITTER = registers(
    *("beat_bytes", "burst_beats", "rows_valid", "row_addr", "span", "pitch", "rows_left"),
    *("cut_valid", "first", "end", "last_row"),
    *("out", "out_len", "out_last", "spare", "spare_len", "spare_last"),
)
"""The first two are settings. A burst's length is its beats less one; `last`: of its block."""


@step
def splitter_step(s: Any, starts: int, addr: int, row_bytes: int, rows: int, pitch: int, takes: int) -> None:
    """A cycle in which a block comes if `starts`, and the burst at the output is taken if `takes`."""
    if not (starts or s.rows_valid or s.cut_valid or s.spare):
        s.out = s.out and not takes
        return
    free = s.spare == 0
    row_end = s.first // s.burst_beats == s.end // s.burst_beats
    cut_free = s.cut_valid == 0 or (free and row_end)
    length = (s.end if row_end else s.burst_beats - 1) % s.burst_beats - s.first % s.burst_beats
    last = row_end and s.last_row
    if s.out == 0 or takes:
        if s.spare:
            s.out, s.out_len, s.out_last = 1, s.spare_len, s.spare_last
        else:
            s.out, s.out_len, s.out_last = s.cut_valid, length, last
        s.spare = 0
    elif s.cut_valid and free:
        s.spare, s.spare_len, s.spare_last = 1, length, last

    had_rows = s.rows_valid
    if starts:
        s.rows_valid = 1
    if cut_free:
        s.cut_valid = had_rows
        if had_rows:
            s.first = s.row_addr // s.beat_bytes
            s.end = (s.row_addr + s.span) // s.beat_bytes
            s.last_row = s.rows_left == 0
            s.row_addr += s.pitch
            s.rows_valid = s.rows_left != 0
            s.rows_left -= 1
    elif free:
        s.first = (s.first // s.burst_beats + 1) * s.burst_beats
    if starts:
        s.row_addr, s.span, s.pitch, s.rows_left = addr, row_bytes - 1, pitch, rows - 1
