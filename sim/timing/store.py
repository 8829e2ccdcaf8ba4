"""The store unit, as `hw.store` and the units in it have it."""

from __future__ import annotations

from typing import Any

from dovetail.hw.output import OutputPipeline
from dovetail.hw.store_writes import MIN_BEATS, OPEN_STORES
from dovetail.isa.config import PARAM_RECORD_BYTES

from .compiled import registers, step
from .encode import PARAMS, POSTS, STORES
from .fifo import fifo_step, skid_step

STORE = registers(
    *(
        "beat_bytes",
        "burst_beats",
        "lanes",
        "groups",
        "beats_per_vector",
        "entries",
        "param_beats",
        "max_bursts",
        "depth",
    ),
    # the instruction
    *("taken", "taken_valid", "ready", "reading", "position"),
    # vectors
    *("walking", "walk_cols", "walk_rows", "cols", "rows_left", "cols_left", "arriving", "full"),
    *("arriving_row_end", "arriving_last", "vectors", "vectors_used"),
    # groups
    *("busy", "is_raw", "with_residual", "pitch", "part", "place", "row_place"),
    # output pipeline and packing
    *("last_entered", "pipeline_busy", "whole", "beat_valid", "free", "room"),
    # writes
    *("unclaimed", "claimed", "in_flight", "held", "held_len", "held_last", "may_ask", "owes"),
    *("open_stores", "complete", "may_open", "stores_in", "stores_out", "flights_in", "flights_out", "done"),
    # reads
    *(
        "is_param",
        "reads_room",
        "leaves",
        "request",
        "request_len",
        "param_beat",
        "res_place",
        "res_row_place",
        "res_pitch",
    ),
)
"""The first eight are settings: bytes of a beat, beats of a burst, output lanes, groups and raw beats of a vector,
vectors that are read ahead, beats of a PARAM, and bursts in flight."""
LATENCY = int(OutputPipeline.LATENCY)
PASSING = 64
"""Cycles of output processing that are kept, more than it has stages."""
KEPT = 64
"""Vectors, stores and bursts whose flags are kept."""
NOTHING, GROUP, LAST_GROUP = range(3)
"""What enters output processing: a group that does not, or does, complete a beat."""
OPEN = OPEN_STORES


def waiting_beats(burst_beats: int) -> int:
    """Beats that can wait to be written, or for their group."""
    return max(MIN_BEATS, 2 * burst_beats)


def param_beats(block_out: int, bus_bytes: int) -> int:
    """Beats of a PARAM."""
    return block_out * PARAM_RECORD_BYTES // bus_bytes


@step
def begins_store(s: Any, entries: Any, writes_free: int, reads_free: int) -> int:
    """Whether the instruction taken is a STORE that begins in this cycle."""
    if s.ready == 0 or s.busy:
        return 0
    e = entries[s.taken]
    if e.kind != STORES or writes_free == 0 or s.may_open == 0:
        return 0
    if e.with_residual and not (s.complete and reads_free):
        return 0
    return 0 if (e.is_raw and s.pipeline_busy) else 1


@step
def begins_other(s: Any, entries: Any, param_ends: int) -> int:
    """Whether an instruction other than STORE is carried out in this cycle."""
    if s.ready == 0:
        return 0
    e = entries[s.taken]
    if e.kind == STORES:
        return 0
    if e.kind == PARAMS:
        return param_ends
    settled = s.complete or e.push_prev == 0
    if e.kind == POSTS and (s.busy or s.pipeline_busy):
        return 0
    return 1 if settled else 0


@step
def instruction_step(s: Any, queue: Any, offered: int, gets: int, begins: int) -> None:
    """The instruction's registers, after all else that looks at them."""
    if s.taken_valid == 0:
        s.taken_valid = offered
        if offered:
            s.taken = queue[s.position]
            s.position += 1
    if gets:
        s.ready = 1
    if begins:
        s.taken_valid = 0
        s.ready = 0


@step
def vectors_step(s: Any, flags: Any, entry: Any, starts: int, grant: int, uses: int) -> None:
    """The reader of accumulators. `flags`: of each vector, whether it ends its row, and all."""
    requests = s.walking and s.full + s.arriving < s.entries
    granted = requests and grant
    s.full += s.arriving - uses
    if uses:
        s.vectors_used += 1
    if s.arriving:
        flags[0, s.vectors % KEPT] = s.arriving_row_end
        flags[1, s.vectors % KEPT] = s.arriving_last
        s.vectors += 1
    s.arriving = 1 if granted else 0
    if starts:
        s.walking, s.cols = 1, entry.cols
        s.rows_left, s.cols_left = entry.rows - 1, entry.cols - 1
    elif granted:
        s.arriving_row_end = s.cols_left == 0
        s.arriving_last = s.cols_left == 0 and s.rows_left == 0
        s.walking = 0 if s.arriving_last else 1
        if s.cols_left == 0:
            s.rows_left -= 1
            s.cols_left = s.cols - 1
        else:
            s.cols_left -= 1


@step
def parts(s: Any) -> int:
    """Groups, or raw beats, of a vector."""
    count: int = s.beats_per_vector if s.is_raw else s.groups
    return count


@step
def completes_beat(s: Any, row_end: int) -> int:
    """Whether a group, or beat, that leaves now is the last of its beat."""
    return 1 if (s.is_raw or row_end or s.place % s.beat_bytes + s.lanes == s.beat_bytes) else 0


@step
def groups_step(s: Any, entry: Any, starts: int, moves: int, row_end: int, last: int) -> None:
    """The pace of groups; `row_end` and `last` are of the group that moves."""
    chunk = s.beat_bytes * s.burst_beats
    if starts:
        s.busy, s.is_raw, s.with_residual = 1, entry.is_raw, entry.with_residual
        s.pitch, s.part = entry.pitch % chunk, 0
        s.place = entry.addr % chunk
        s.row_place = s.place
    elif moves:
        s.part += 1
        if s.part == parts(s):
            s.part = 0
        if row_end:
            s.row_place = (s.row_place + s.pitch) % chunk
            s.place = s.row_place
        else:
            s.place = (s.place + (s.beat_bytes if s.is_raw else s.lanes)) % chunk
        if last:
            s.busy = 0


@step
def pipeline_step(s: Any, passing: Any, now: int, enters: int, beat: int) -> None:
    """Output processing and the register in which a beat grows. `beat`: a raw one leaves the groups."""
    if enters != NOTHING:
        s.last_entered = now
    leaves = passing[(now - LATENCY) % PASSING]
    passing[now % PASSING] = enters
    s.whole = 1 if (s.beat_valid or leaves == LAST_GROUP) else 0
    s.beat_valid = beat
    s.pipeline_busy = now - s.last_entered < LATENCY


@step
def writes_step(
    s: Any, beats: Any, split: Any, kept: Any, starts: int, gives: int, reserve: int, asks: int, sends: int, done: int
) -> None:
    """Beats to bursts. `split` is the `SPLITTER`, `kept` int64 [2, KEPT]: tokens of stores, last bursts of blocks.

    `asks`: the request leaves; `sends`: a beat leaves; `done`: an answer comes, which is heard a cycle later.
    """
    whole = s.whole
    leaves = sends
    if reserve and not leaves:
        s.free -= 1
        s.room = s.free != 0
    elif leaves and not reserve:
        s.free += 1
        s.room = 1
    claims = claims_burst(s, split, asks)
    unclaimed = s.unclaimed + whole
    claimed = s.claimed + (s.held_len + 1 if asks else 0) - sends
    last_of_block = s.held_last
    if asks:
        s.owes = 1
    elif sends:
        s.owes = s.claimed != 1
    if claims:
        unclaimed -= split.out_len + 1
        s.held, s.held_len, s.held_last = 1, split.out_len, split.out_last
    elif asks:
        s.held = 0
    s.unclaimed, s.claimed = unclaimed, claimed
    if asks and not s.done:
        s.in_flight += 1
        s.may_ask = s.in_flight != s.max_bursts
    elif s.done and not asks:
        s.in_flight -= 1
        s.may_ask = 1
    if asks:
        kept[1, s.flights_in % KEPT] = last_of_block
        s.flights_in += 1
    ended = store_ends(s, kept)
    if s.done:
        s.flights_out += 1
    if ended:
        s.stores_out += 1
    if starts:
        kept[0, s.stores_in % KEPT] = gives
        s.stores_in += 1
    if starts and not ended:
        s.open_stores += 1
        s.complete = 0
        s.may_open = s.open_stores != OPEN
    elif ended and not starts:
        s.open_stores -= 1
        s.complete = s.open_stores == 0
        s.may_open = 1
    s.done = done
    fifo_step(beats, whole, sends)


@step
def claims_burst(s: Any, split: Any, asks: int) -> int:
    """Whether the next burst's beats are all here, and it becomes the one to be asked for."""
    return 1 if (split.out and s.unclaimed > split.out_len and (s.held == 0 or asks)) else 0


@step
def store_ends(s: Any, kept: Any) -> int:
    """Whether the answer that is heard in this cycle is the last of a STORE."""
    return 1 if (s.done and kept[1, s.flights_out % KEPT]) else 0


@step
def reads_ask(s: Any, split: Any, taken: int) -> int:
    """Whether a burst of residuals or parameters becomes a request."""
    return 1 if (split.out and (s.is_param or s.reads_room > split.out_len) and (s.request == 0 or taken)) else 0


@step
def reads_step(
    s: Any, beats: Any, skid: Any, split: Any, starts: int, is_param: int, asks: int, taken: int, beat: int, uses: int
) -> None:
    """Residuals and parameters: a `beat` comes; `uses`: the last group of a residual beat is used."""
    pops = beats.out and skid.spare == 0
    room = s.reads_room + s.leaves
    if asks and s.is_param == 0:
        room -= split.out_len + 1
    s.reads_room = room
    s.leaves = 1 if pops else 0
    if asks:
        s.request, s.request_len = 1, split.out_len
    elif taken:
        s.request = 0
    data = beat and s.is_param == 0
    valid = beats.out
    fifo_step(beats, 1 if data else 0, 1 if pops else 0)
    skid_step(skid, valid, uses)
    if starts:
        s.is_param = is_param
    if beat and not data:
        s.param_beat = (s.param_beat + 1) % s.param_beats


@step
def residual_step(s: Any, addr: int, pitch: int, starts: int, moves: int, row_end: int) -> None:
    """The place of the next residual in its beat."""
    if starts:
        s.res_row_place = addr % s.beat_bytes
        s.res_place = s.res_row_place
        s.res_pitch = pitch
    elif moves:
        s.res_place = (s.res_place + s.lanes) % s.beat_bytes
        if row_end:
            s.res_row_place = (s.res_row_place + s.res_pitch) % s.beat_bytes
            s.res_place = s.res_row_place
