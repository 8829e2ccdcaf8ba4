"""Loops for any expression: threads share outer ones, LLVM makes vectors of inner ones, and sums are tiled, which it
would keep in memory."""

from __future__ import annotations

from dovetail.compiler import te
from dovetail.compiler.te import Schedule, Tensor
from dovetail.compiler.te.tensor import Reduce

from .expressions import iterations
from .reductions import fold, lane_of, tile
from .sharing import PIECES, WORTH_THREADS, share


def scheduled(output: Tensor) -> Schedule:
    """A schedule of `output` and of all that it reads, each in loops of its own."""
    s = te.create_schedule(output)
    for stage in list(s.stages):
        tensor, op = stage.origin, stage.op
        lane = lane_of(op)
        if lane is not None:
            tile(s, tensor, lane)
        elif isinstance(op.body, Reduce):
            fold(s, tensor)
        elif len(op.axis) == 1 and iterations(op) >= WORTH_THREADS:
            outer, _ = s[tensor].split(op.axis[0], nparts=PIECES)
            s[tensor].parallel(outer)
        else:
            share(s[tensor], op.axis[:-1], iterations(op))
    return s
