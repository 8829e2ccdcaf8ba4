"""The steps of schedules, by name: functions that check, then edit stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import data, kinds, loops, placement

STEPS: dict[str, Callable[..., Any]] = {
    step.__name__: step
    for step in (
        loops.split,
        loops.tile,
        loops.fuse,
        loops.reorder,
        kinds.vectorize,
        kinds.parallel,
        kinds.unroll,
        kinds.bind,
        kinds.pragma,
        placement.compute_at,
        placement.compute_root,
        placement.compute_inline,
        placement.compute_whole,
        placement.set_scope,
        placement.ring_buffer,
        placement.tensorize,
        data.cache_read,
        data.cache_write,
        data.rfactor,
    )
}
