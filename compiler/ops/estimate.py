"""Cycles of a schedule from phases, a tile each, in which the slowest of array, memory and store unit sets the pace."""

from __future__ import annotations

from .knobs import At, Order
from .timing import ANSWER, ISSUE, START
from .transfers import Transfer
from .work import Work


def estimate(work: Work) -> float:
    """Cycles, roughly: good enough to tell which schedules to look at."""
    knobs, memory = work.knobs, work.memory
    oc_blocks, chunks = work.shape.oc_blocks, len(work.parts)
    copies = [knobs.acc_copies]
    copies += [knobs.inp_copies] if knobs.inputs is not At.IMAGE else []
    copies += [knobs.wgt_copies] if knobs.weights is not At.ROOT else []
    overlapping = min(copies) * knobs.threads > 1
    products = work.shape.ic_blocks * work.shape.kh * work.shape.kw
    total = 0.0
    for tile, count in work.tiles.classes:
        rows, cols = work.tiles.spans[tile]
        store, loads = work.store(tile), _beside(work, tile)
        array = (rows.size * cols.size * products + ISSUE * chunks) * oc_blocks
        storing = oc_blocks * (store.unit + _param_waits(work, store.tail))
        phases = (array, loads.unit, loads.bus + store.bus * oc_blocks, storing)
        total += count * (max(phases) if overlapping else sum(phases))
    last = work.store(len(work.tiles.spans) - 1)
    begin = START + memory.latency + work.inputs(0).unit + work.weights().unit
    return begin + total * work.images + last.unit + last.tail + memory.latency + ANSWER


def _beside(work: Work, tile: int) -> Transfer:
    """What is loaded while a tile is computed; the first one is the small one, beside which a large one is loaded."""
    loads = work.loads(tile)
    if tile > 0 or len(work.tiles.spans) == 1 or work.knobs.inputs is not At.TILE:
        return loads
    own, other = work.inputs(0), work.inputs(1)
    return Transfer(loads.bus - own.bus + other.bus, loads.unit - own.unit + other.unit)


def _param_waits(work: Work, tail: float) -> float:
    """Cycles for which the store unit only waits, for the end of a store and for the next one's parameters."""
    other = work.knobs.order is Order.TILE and (work.shape.oc_blocks > 1 or len(work.tiles.spans) == 1)
    return tail + work.costs.param.bus + 2 * (work.memory.latency + ANSWER) if other else 0.0
