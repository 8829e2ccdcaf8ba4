"""Cycles of a schedule from phases, a tile each, in which the slowest of array, memory and store unit sets the pace."""

from __future__ import annotations

from .knobs import Order
from .timing import ANSWER, ISSUE, START
from .work import Work


def estimate(work: Work) -> float:
    """Cycles, roughly: good enough to tell which schedules to look at."""
    knobs, memory = work.knobs, work.memory
    oc_blocks = work.shape.oc_blocks
    loads_of = ((knobs.inp_copies, work.input_loads), (knobs.wgt_copies, work.weight_loads))
    copies = min([knobs.acc_copies, *(copies for copies, often in loads_of if often >= 1)])
    total = 0.0
    for tile, count in work.classes:
        store = work.store(tile)
        loads = [(work.inputs(tile), work.input_loads), (work.weights, work.weight_loads)]
        array = (work.array(tile) + ISSUE) * work.chunks * oc_blocks
        load = sum(one.unit * often for one, often in loads)
        moved = sum(one.bus * often for one, often in loads) + store.bus * oc_blocks
        phases = [array, load, moved, oc_blocks * (store.unit + _param_waits(work, store.tail))]
        total += count * (max(phases) if copies * knobs.threads > 1 else sum(phases))
    first, last = work.inputs(0), work.store(len(work.tiles) - 1)
    begin = START + memory.latency + first.unit + work.weights.unit
    return begin + total * work.images + last.unit + last.tail + memory.latency + ANSWER


def _param_waits(work: Work, tail: float) -> float:
    """Cycles for which the store unit only waits, for the end of a store and for the next one's parameters."""
    other = work.knobs.order is Order.TILE and (work.shape.oc_blocks > 1 or len(work.tiles) == 1)
    return tail + work.param.bus + 2 * (work.memory.latency + ANSWER) if other else 0.0
