"""A cycle of the whole machine: who gives what to whom, then every unit's step."""

from __future__ import annotations

from typing import Any, NamedTuple

from dovetail.isa.instructions import Queue, Unit

from . import load as load_unit
from . import store as store_unit
from .compiled import step
from .compute import AHEAD, PUSHES_LOAD, PUSHES_STORE, READS, WRITES, at_last, compute_idle, compute_step
from .encode import LOADS, PARAMS
from .fetch import fetch_step, offered_to
from .fifo import fifo_step, skid_step
from .load import load_asks, load_idle, load_step, load_takes
from .memory import memory_step
from .port import FETCH, LOAD, NOBODY, STORE, chosen, read_step, sends_beat, takes_request, write_step
from .rest import NEVER, bus_rests, fetch_rests, fifo_rests, load_rests, skip, store_rests
from .splitter import splitter_step
from .tokens import tokens_step

TO_LOAD, TO_COMPUTE, TO_STORE = int(Unit.LOAD), int(Unit.COMPUTE), int(Unit.STORE)
L2C, C2L = int(Queue.LOAD_TO_COMPUTE), int(Queue.COMPUTE_TO_LOAD)
C2S, S2C = int(Queue.COMPUTE_TO_STORE), int(Queue.STORE_TO_COMPUTE)
GROUP, LAST_GROUP, NOTHING = store_unit.GROUP, store_unit.LAST_GROUP, store_unit.NOTHING
KEPT = store_unit.KEPT


class State(NamedTuple):
    """All registers. Where a name is plural there are several; what the others are is said where their type is.

    Attributes
    ----------
    queues, micro_ops, entries:
        See `encode.Encoded`; `dsts` and `srcs` are what is loaded of the micro-ops.
    in_flight:
        `memory`'s table.
    owed, owed_lengths:
        Bursts whose data is owed to the memory, see `port.write_step`.
    fills, load_beats:
        See `load.load_step`.
    splitters:
        Of load, of the store unit's reads, and of its writes.
    ahead, plan:
        See `compute.compute_step`.
    vector_flags, passing, write_beats, kept, read_beats:
        See `store`.
    skids:
        Of residual beats, of the store unit's read requests, and of its write requests.
    lengths: int64 [2, KEPT + 2]
        Of the requests in the latter two, as `port.write_step` has them.
    """

    entries: Any
    queues: Any
    micro_ops: Any
    memory: Any
    in_flight: Any
    reads: Any
    writes: Any
    owed: Any
    owed_lengths: Any
    fetch: Any
    words: Any
    unit_queues: Any
    queue_depth: int
    tokens: Any
    token_depth: int
    load: Any
    fills: Any
    load_beats: Any
    splitters: Any
    compute: Any
    ahead: Any
    plan: Any
    dsts: Any
    srcs: Any
    store: Any
    vector_flags: Any
    passing: Any
    write_beats: Any
    kept: Any
    read_beats: Any
    skids: Any
    lengths: Any


@step
def run(state: State, limit: int) -> int:
    """Run until all is done; returns the cycle, or -1 if that never comes, or not in `limit` cycles."""
    entries, queues, micro_ops, dsts, srcs = state.entries, state.queues, state.micro_ops, state.dsts, state.srcs
    in_flight, owed_lengths, plan, kept, lengths = (
        state.in_flight,
        state.owed_lengths,
        state.plan,
        state.kept,
        state.lengths,
    )
    vector_flags, passing = state.vector_flags, state.passing
    unit_queues, queue_depth, token_depth = state.unit_queues, state.queue_depth, state.token_depth
    mem, rp, wp, owe = state.memory[0], state.reads[0], state.writes[0], state.owed[0]
    f, word, u, fill, lbeat = state.fetch[0], state.words[0], state.load[0], state.fills[0], state.load_beats[0]
    c, skid, s, wbeat, rbeat = (
        state.compute[0],
        state.ahead[0],
        state.store[0],
        state.write_beats[0],
        state.read_beats[0],
    )
    lsplit, rsplit, wsplit = state.splitters[0], state.splitters[1], state.splitters[2]
    res_skid, rreq, wreq = state.skids[0], state.skids[1], state.skids[2]
    lq, cq, sq = unit_queues[0], unit_queues[1], unit_queues[2]
    l2c, c2l, c2s, s2c = state.tokens[L2C], state.tokens[C2L], state.tokens[C2S], state.tokens[S2C]
    now = -1
    while now < limit:
        now += 1
        slot = now % AHEAD
        if (
            f.finished
            and load_idle(u, fill)
            and compute_idle(c, skid)
            and lq.out == 0
            and lq.inner == 0
            and cq.out == 0
            and cq.inner == 0
            and sq.out == 0
            and sq.inner == 0
            and s.taken_valid == 0
            and s.complete
        ):
            return now

        # Memory's answers.
        beat_of = mem.r_id if mem.r_valid else NOBODY
        load_may = u.waiting < load_unit.ROOM
        r_ready = 1 if (beat_of != LOAD or load_may) else 0
        load_beat = 1 if (beat_of == LOAD and load_may) else 0
        store_beat = 1 if beat_of == STORE else 0
        fetch_beat = 1 if beat_of == FETCH else 0
        ended = beat_of if (mem.r_valid and r_ready and mem.r_last) else NOBODY

        # Requests.
        ar_ready, aw_ready, w_ready, answer = mem.ar_ready, mem.aw_ready, mem.w_ready, mem.b_valid
        who = chosen(rp, f.request, lsplit.out, rreq.out)
        free = rp.valid == 0 or ar_ready
        length = 0
        if who == FETCH:
            length = f.request_len
        elif who == LOAD:
            length = lsplit.out_len
        elif who == STORE:
            length = lengths[0, 2 + lengths[0, 1] % KEPT]
        fetch_taken = 1 if (free and who == FETCH) else 0
        load_taken = 1 if (free and who == LOAD) else 0
        store_taken = 1 if (free and who == STORE) else 0
        write_taken = 1 if (wreq.out and takes_request(wp, aw_ready)) else 0
        write_length = lengths[1, 2 + lengths[1, 1] % KEPT]
        sends = sends_beat(wp, w_ready, wbeat.out and s.owes)

        # Dispatch.
        target = offered_to(f, entries)
        goes = 1 if (target >= 0 and unit_queues[target].inner < queue_depth - 1) else 0

        # Load.
        takes = load_takes(u, entries, queues[TO_LOAD], lq.out, c2l.level > 0, l2c.reserved < token_depth)
        load_moves = load_asks(u, entries, lsplit.rows_valid == 0)
        taken = entries[u.taken]
        load_entry = entries[queues[TO_LOAD, u.position]]
        load_pops = takes and load_entry.pop_next
        load_reserves = takes and load_entry.push_next
        load_starts = load_moves and taken.kind == LOADS
        acc_write, acc_read = plan[WRITES, (slot + 1) % AHEAD], plan[READS, slot]

        # Compute.
        compute_starts = 0
        compute_entry = entries[queues[TO_COMPUTE, c.position]]
        if skid.out and (c.active == 0 or at_last(c, entries)):
            e = compute_entry
            waits = (
                (e.pop_prev and l2c.level == 0)
                or (e.push_prev and c2l.reserved >= token_depth)
                or (e.pop_next and s2c.level == 0)
                or (e.push_next and c2s.reserved >= token_depth)
            )
            compute_starts = 0 if waits else 1
        pushes_load, pushes_store = plan[PUSHES_LOAD, slot], plan[PUSHES_STORE, slot]

        # Store.
        held = entries[s.taken]
        wants = s.taken_valid and s.ready == 0
        gets = (
            1
            if (
                wants
                and not (held.pop_prev and c2s.level == 0)
                and not (held.push_prev and s2c.reserved >= token_depth)
            )
            else 0
        )
        begins = store_unit.begins_store(s, entries, wsplit.rows_valid == 0, rsplit.rows_valid == 0)
        param = s.ready and held.kind == PARAMS
        param_starts = 1 if (param and s.complete and s.reading == 0 and rsplit.rows_valid == 0) else 0
        param_ends = 1 if (store_beat and s.is_param and s.param_beat == s.param_beats - 1) else 0
        others = store_unit.begins_other(s, entries, param_ends)
        row_end = last = moves = uses = 0
        if s.full:
            at = s.vectors_used % KEPT
            part_end = s.part == store_unit.parts(s) - 1
            row_end = 1 if (part_end and vector_flags[0, at]) else 0
            last = 1 if (part_end and vector_flags[1, at]) else 0
            ends_beat = store_unit.completes_beat(s, row_end)
            moves = 1 if ((not ends_beat or s.room) and (s.with_residual == 0 or res_skid.out)) else 0
            uses = 1 if (moves and part_end) else 0
        reserve = 1 if (moves and store_unit.completes_beat(s, row_end)) else 0
        enters = NOTHING
        if moves and s.is_raw == 0:
            enters = LAST_GROUP if reserve else GROUP
        raw_beat = 1 if (moves and s.is_raw) else 0
        res_moves = 1 if (moves and s.with_residual) else 0
        res_uses = 1 if (res_moves and (row_end or s.res_place + s.lanes == s.beat_bytes)) else 0
        write_asks = 1 if (s.held and s.may_ask and wreq.spare == 0) else 0
        write_claims = store_unit.claims_burst(s, wsplit, write_asks)
        ended_store = store_unit.store_ends(s, kept)
        store_pushes = (ended_store and kept[0, s.stores_out % KEPT]) or (others and held.push_prev)
        request_moves = 1 if (s.request and rreq.spare == 0) else 0
        read_asks = store_unit.reads_ask(s, rsplit, request_moves)
        read_starts = 1 if (param_starts or (begins and held.with_residual)) else 0

        if not (
            mem.r_valid
            or goes
            or takes
            or load_moves
            or compute_starts
            or gets
            or begins
            or others
            or param_starts
            or moves
            or write_asks
            or write_claims
            or read_asks
            or who >= 0
            or (cq.out and skid.spare == 0)
            or (sq.out and s.taken_valid == 0)
        ) and (
            bus_rests(mem, rp, wp, owe, rreq, wreq)
            and fetch_rests(f, word)
            and load_rests(u, fill, lbeat, lsplit)
            and store_rests(s, now, wbeat, rbeat, res_skid, rsplit, wsplit)
            and fifo_rests(lq)
            and fifo_rests(cq)
            and fifo_rests(sq)
            and (skid.out or skid.spare == 0)
        ):
            skipped = skip(mem, in_flight, c, plan, entries, now)
            if skipped == NEVER:
                return -1
            if skipped:
                passing[:] = NOTHING
                now += skipped - 1
                continue

        # Everything above is of this cycle; from here on registers take their next values.
        cq_out, sq_out, cq_moves = cq.out, sq.out, cq.out and skid.spare == 0
        done, store_takes = wp.done, s.taken_valid == 0
        memory_step(mem, in_flight, rp.valid, rp.len, rp.id, r_ready, wp.aw_valid, wp.aw_len, wp.w_valid)
        read_step(rp, who, length, 1 if free else 0, ended)
        write_step(wp, owe, owed_lengths, write_taken, write_length, sends, aw_ready, w_ready, answer)
        fetch_step(f, word, entries, fetch_beat, goes, fetch_taken)
        fifo_step(lq, goes and target == TO_LOAD, takes)
        fifo_step(cq, goes and target == TO_COMPUTE, cq_moves)
        fifo_step(sq, goes and target == TO_STORE, sq_out and store_takes)
        tokens_step(l2c, load_reserves, u.push, compute_starts and compute_entry.pop_prev)
        tokens_step(c2l, compute_starts and compute_entry.push_prev, pushes_load, load_pops)
        tokens_step(c2s, compute_starts and compute_entry.push_next, pushes_store, gets and held.pop_prev)
        tokens_step(s2c, gets and held.push_prev, store_pushes, compute_starts and compute_entry.pop_next)

        load_step(
            u, fill, lbeat, entries, queues[TO_LOAD], micro_ops, dsts, srcs, takes, load_moves, load_beat, not acc_write
        )
        splitter_step(lsplit, load_starts, taken.addr, taken.row_bytes, taken.rows, taken.pitch, load_taken)
        compute_step(c, skid, entries, queues[TO_COMPUTE], plan, dsts, srcs, now, cq_out, compute_starts)

        request_valid, store_request = s.held and s.may_ask, s.request
        if write_asks:
            lengths[1, 2 + lengths[1, 0] % KEPT] = s.held_len
            lengths[1, 0] += 1
        lengths[1, 1] += write_taken
        if request_moves:
            lengths[0, 2 + lengths[0, 0] % KEPT] = s.request_len
            lengths[0, 0] += 1
        lengths[0, 1] += store_taken
        store_unit.writes_step(s, wbeat, wsplit, kept, begins, held.push_prev, reserve, write_asks, sends, done)
        skid_step(wreq, request_valid, write_taken)
        splitter_step(wsplit, begins, held.addr, held.row_bytes, held.rows, held.pitch, write_claims)
        res_addr = held.addr if param_starts else held.residual_addr
        store_unit.reads_step(
            s, rbeat, res_skid, rsplit, read_starts, param_starts, read_asks, request_moves, store_beat, res_uses
        )
        skid_step(rreq, store_request, store_taken)
        splitter_step(rsplit, read_starts, res_addr, held.row_bytes, held.rows, held.pitch, read_asks)
        store_unit.pipeline_step(s, passing, now, enters, raw_beat)
        store_unit.residual_step(s, held.residual_addr, held.pitch, begins and held.with_residual, res_moves, row_end)
        store_unit.groups_step(s, held, begins, moves, row_end, last)
        store_unit.vectors_step(s, vector_flags, held, begins, acc_read == 0, uses)
        if param_ends:
            s.reading = 0
        if param_starts:
            s.reading = 1
        store_unit.instruction_step(s, queues[TO_STORE], sq_out, gets, begins or others)
    return -1
