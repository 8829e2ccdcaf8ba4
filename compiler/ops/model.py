"""How many cycles a schedule of a convolution takes: an analytical model of the machine.

It follows the pieces of work one by one: each begins when its unit is free, its data is there and a copy of the buffer
is free.
"""

from __future__ import annotations

from collections.abc import Iterator

from dovetail.isa.config import Config

from .blocked import Blocked
from .estimate import estimate
from .knobs import At, Conv2dKnobs, Order
from .machine import Machine, Ring
from .transfers import Memory, Transfers
from .work import Work

FOLLOWED = 800
"""Pieces that are followed one by one; where there are more, the rest goes at the pace of the later half of these."""


LEAST_FOLLOWED = 4
"""Blocks of tiles that are followed however many pieces they have."""
PASSES = 2
"""How often all is followed, each time with the memory as busy with loads as the time before."""


def predict(shape: Blocked, knobs: Conv2dKnobs, config: Config, memory: Memory | None = None) -> float:
    """Cycles that the model expects of a schedule."""
    return cycles(Work(Transfers(shape, config, memory or Memory()), knobs))


def cycles(work: Work) -> float:
    """Cycles, piece by piece."""
    whole = max(estimate(work), work.read + work.written)
    reading = work.read / whole
    for _ in range(PASSES):
        machine = Machine(work, reading)
        ends = _follow(work, machine)
        reading = min(1.0, machine.reading / ends[-1])
    steps = work.pieces // len(work.parts)
    if len(ends) == steps:
        return ends[-1]
    half = len(ends) // 2
    pace = (ends[-1] - ends[half]) / (len(ends) - 1 - half)
    return max(ends[-1] + (steps - len(ends)) * pace, whole)


def _follow(work: Work, machine: Machine) -> list[float]:
    """When each store is complete."""
    knobs, shape, config = work.knobs, work.shape, work.config
    inp, wgt, acc = (Ring(copies * knobs.threads) for copies in (knobs.inp_copies, knobs.wgt_copies, knobs.acc_copies))
    evicting = work.micro_ops > config.uop_depth
    alone = 2 * work.need.kernel > config.uop_depth
    kernel, kernels = work.kernel, work.micro_ops // work.need.kernel
    chunks = range(len(work.parts))
    enough = max(LEAST_FOLLOWED, FOLLOWED // len(chunks))
    previous, params, before = (-1, -1, -1), (-1, -1), 0.0
    done = 0
    ends: list[float] = []
    if knobs.weights is At.ROOT:
        machine.load(work.weights(), 0.0)
    for image, tile, block in _steps(work):
        image_begins = image != previous[0]
        if (knobs.inputs is At.TILE and (image, tile) != previous[:2]) or (knobs.inputs is At.IMAGE and image_begins):
            machine.load(work.inputs(tile), inp.next())
        if knobs.weights is At.BLOCK and (knobs.order is Order.TILE or image_begins or block != previous[2]):
            machine.load(work.weights(), wgt.next())
        previous = (image, tile, block)
        free = acc.next()
        for chunk in chunks:
            if knobs.inputs is At.CHUNK:
                machine.load(work.inputs(tile, chunk), inp.next())
            if knobs.weights is At.CHUNK:
                machine.load(work.weights(chunk), wgt.next())
            if evicting or done < kernels:
                machine.load(kernel, (machine.computed if alone else before) if evicting else 0.0)
            before = machine.computed
            machine.gemm(work.array(tile, chunk), free)
            wgt.release(machine.computed)
            inp.release(machine.computed)
            done += 1
        if params != (image % shape.groups, block):
            params = (image % shape.groups, block)
            machine.param()
        machine.store(work.store(tile))
        acc.release(machine.answered)
        ends.append(machine.answered)
        if len(ends) >= enough:
            break
    return ends


def _steps(work: Work) -> Iterator[tuple[int, int, int]]:
    """Image, tile and block of output channels, in order."""
    tiles, oc_blocks = range(len(work.tiles.spans)), range(work.shape.oc_blocks)
    for image in range(work.images):
        if work.knobs.order is Order.TILE:
            yield from ((image, tile, block) for tile in tiles for block in oc_blocks)
        else:
            yield from ((image, tile, block) for block in oc_blocks for tile in tiles)
