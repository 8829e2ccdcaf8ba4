"""The load unit, as `hw.load` and `hw.load_writer` have it."""

from __future__ import annotations

from typing import Any

from dovetail.hw.load_writer import BEATS
from dovetail.isa.instructions import Buffer

from .compiled import registers, step
from .encode import LOADS
from .fifo import fifo_step

LOAD = registers(
    *("beat_bytes", "fills_depth", "taken", "taken_valid", "prepared", "prepared_valid", "position"),
    *("filling", "fill_ready", "job", "padding", "fetching", "noting", "ending"),
    *("more_pads", "more_rows", "more_cols", "lane", "place", "next_place"),
    *("out", "out_pads", "out_fetches", "out_pops", "out_ends", "out_acc"),
    *("spare", "spare_pads", "spare_fetches", "spare_pops", "spare_ends", "spare_acc"),
    *("waiting", "ends", "writes", "asks_acc", "written", "push"),
)
"""The first two are settings. `taken`, `prepared` and `job` are instructions; `position` and `filling` count those that
were taken, and whose writing began; `waiting` the beats that wait."""
ACC = int(Buffer.ACC)
ROOM = BEATS


@step
def load_takes(u: Any, entries: Any, queue: Any, offered: int, tokens: int, room: int) -> int:
    """Whether the instruction at the queue's output is taken, with `tokens` to pop and `room` for one to push."""
    if offered == 0 or u.taken_valid:
        return 0
    entry = entries[queue[u.position]]
    return 1 if ((entry.pop_next == 0 or tokens) and (entry.push_next == 0 or room)) else 0


@step
def load_asks(u: Any, entries: Any, splitter_free: int) -> int:
    """Whether the instruction taken moves on; with a block for the splitter if it is a LOAD."""
    if u.taken_valid == 0 or u.prepared_valid:
        return 0
    return 1 if (entries[u.taken].kind != LOADS or splitter_free) else 0


@step
def load_step(
    u: Any,
    fills: Any,
    beats: Any,
    entries: Any,
    queue: Any,
    micro_ops: Any,
    dsts: Any,
    srcs: Any,
    takes: int,
    moves: int,
    beat: int,
    acc_grant: int,
) -> None:
    """A cycle in which an instruction is taken, one moves on, and a `beat` comes.

    Parameters
    ----------
    fills, beats:
        `FIFO` of instructions to be written, and of data.
    micro_ops: int64 [2, all that are loaded]
        What they name, in the order of `entries`; they go to `dsts` and `srcs` when their writing begins.
    """
    # The buffers' register.
    refused = u.asks_acc and not acc_grant
    free = not refused
    possible = u.out_fetches == 0 or beats.out
    pops = u.out and u.out_fetches and u.out_pops and beats.out and free
    touches = u.out and (u.out_pads or (u.out_fetches and beats.out))
    steps_taken = possible and free
    push = u.ends and free
    u.written = u.writes and free
    if free:
        u.ends = u.out and possible and u.out_ends
        u.writes = touches
        u.asks_acc = touches and u.out_acc
    u.push = push
    u.waiting += beat - (1 if pops else 0)

    # The walk.
    ready = u.spare == 0
    valid = u.padding or u.fetching or u.noting
    job = entries[u.job]
    last_lane = u.lane == job.lanes - 1
    last_pad, last_col, last_row = u.more_pads < 0, u.more_cols < 0, u.more_rows < 0
    pads, fetches = u.padding and ready, u.fetching and ready
    row_ends = last_lane and last_col
    final = (
        u.noting
        or (u.padding and last_pad and u.ending)
        or (u.fetching and row_ends and last_row and job.has_tail == 0)
    )
    done = final and ready
    starts = (done or not valid) and fills.out and u.fill_ready == 0
    step_pops = u.place == job.last_place or row_ends
    step_ends = final and job.push_next
    is_acc = job.buffer == ACC

    if u.out == 0 or steps_taken:
        if u.spare:
            u.out, u.out_pads, u.out_fetches, u.out_pops = 1, u.spare_pads, u.spare_fetches, u.spare_pops
            u.out_ends, u.out_acc = u.spare_ends, u.spare_acc
        else:
            u.out, u.out_pads, u.out_fetches, u.out_pops = valid, u.padding, u.fetching, step_pops
            u.out_ends, u.out_acc = step_ends, is_acc
        u.spare = 0
    elif valid and ready:
        u.spare, u.spare_pads, u.spare_fetches, u.spare_pops = 1, u.padding, u.fetching, step_pops
        u.spare_ends, u.spare_acc = step_ends, is_acc

    was_fetching = u.fetching
    if fetches:
        u.lane = 0 if last_lane else u.lane + 1
    if was_fetching:
        u.more_pads = (job.tail if last_row else job.gap) - 2
    elif pads:
        u.more_pads -= 1
    if pads and last_pad:
        u.padding, u.fetching = 0, 1 - u.ending
    if fetches and last_lane:
        if last_col:
            u.more_cols = job.cols - 2
            u.place = u.next_place
        else:
            u.more_cols -= 1
            u.place = (u.place + job.place_step) % u.beat_bytes
        if last_col:
            follows = job.has_tail if last_row else job.has_gap
            u.more_rows -= 1
            u.next_place = (u.next_place + job.pitch) % u.beat_bytes
            u.padding = follows
            u.fetching = 1 if (follows == 0 and not last_row) else 0
            u.ending = 1 if last_row else 0
    if done:
        u.noting = 0
    fill_read = u.fill_ready and fills.out
    u.fill_ready = 1 if starts else 0
    if starts:
        u.job = queue[u.filling]
        u.filling += 1
        job = entries[u.job]
        is_load = job.kind == LOADS
        u.padding = 1 if (is_load and job.has_head) else 0
        u.fetching = 1 if (is_load and job.has_head == 0) else 0
        u.noting = 0 if is_load else 1
        u.ending = 0
        u.lane = 0
        u.more_pads, u.more_rows, u.more_cols = job.head - 2, job.rows - 2, job.cols - 2
        u.place = job.addr % u.beat_bytes
        u.next_place = (job.addr + job.pitch) % u.beat_bytes
        for k in range(job.micro_ops):
            dsts[job.sram + k] = micro_ops[0, job.first_micro_op + k]
            srcs[job.sram + k] = micro_ops[1, job.first_micro_op + k]

    # The request side.
    room = fills.inner < u.fills_depth - 1
    writes_fill = u.prepared_valid and room
    fifo_step(fills, 1 if writes_fill else 0, 1 if fill_read else 0)
    fifo_step(beats, beat, 1 if pops else 0)
    if u.prepared_valid == 0 or room:
        u.prepared_valid = moves
    if moves:
        u.prepared = u.taken
        u.taken_valid = 0
    if takes:
        u.taken_valid = 1
        u.taken = queue[u.position]
        u.position += 1


@step
def load_idle(u: Any, fills: Any) -> int:
    """Whether nothing is being executed."""
    busy = u.taken_valid or u.prepared_valid or fills.inner or fills.out or u.padding or u.fetching or u.noting
    return 0 if (busy or u.out or u.spare or u.writes or u.ends or u.written or u.push) else 1
