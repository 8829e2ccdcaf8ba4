"""Which loops threads share."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from dovetail.compiler.te import Axis
from dovetail.compiler.te.extents import constant_extent
from dovetail.compiler.te.scheduled import ScheduledStage

WORTH_THREADS = 16384
"""Evaluations of a body below which waking threads takes longer than they save."""
PIECES = 16
"""Iterations of a parallel loop that are enough for threads to share."""


def share(stage: ScheduledStage, loops: Sequence[Axis], work: int) -> list[Axis]:
    """Makes one parallel loop of the first of a stage's outermost loops, of as few as give threads enough to share.

    Parameters
    ----------
    work:
        Evaluations of the stage's body.

    Returns
    -------
    The loops that there are now.
    """
    if work < WORTH_THREADS or not loops:
        return list(loops)
    trips = [constant_extent(stage.stage, axis) or 1 for axis in loops]
    count = next((n for n in range(1, len(loops)) if prod(trips[:n]) >= PIECES), len(loops))
    shared = stage.fuse(*loops[:count]) if count > 1 else loops[0]
    stage.parallel(shared)
    return [shared, *loops[count:]]
