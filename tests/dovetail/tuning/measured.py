"""A pool whose devices are this process, and small parts with costs that need no device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dovetail.compiler.ops.blocked import blocked_conv2d
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.isa.config import load_config
from dovetail.runtime.pool import Reply, Request
from dovetail.tuning.parts import Call, Part

TINY = load_config("tiny")

Loses = Callable[[Any], bool]
"""Of what a trial measures, whether it is lost this time."""


@dataclass
class HerePool:
    """Calls functions at once.

    Attributes
    ----------
    sizes:
        How many requests each run had.
    """

    loses: Loses = lambda index: False
    count: int = 1
    sizes: list[int] = field(default_factory=list)

    def devices(self, resource: str) -> int:
        return self.count

    def run(self, requests: Iterable[Request]) -> Iterator[Reply]:
        batch: list[Any] = list(requests)
        self.sizes.append(len(batch))
        for request in batch:
            (_, (_, index)), _ = request.argument
            if self.loses(index):
                yield Reply(key=request.key, status="lost", message="it killed 3 workers", worker="worker 7")
            else:
                yield Reply(key=request.key, status="done", value=request.function(request.argument))


def layer(channels: int, size: int = 6) -> AcceleratorSpace:
    shape = Conv2dShape(h=size, w=size, ic=channels, oc=channels, kh=3, kw=3, pads=(1, 1, 1, 1))
    return AcceleratorSpace(blocked_conv2d(shape, TINY), TINY, Memory())


def part_of(space: AcceleratorSpace, name: str = "layer") -> Part:
    """Its costs are the estimate's."""

    def trial(index: int) -> Call:
        return cost_of, (space, index)

    return Part(name, space, trial, array=1.0, bound=1.0)


def cost_of(trial: tuple[AcceleratorSpace, int]) -> Outcome:
    space, index = trial
    return Outcome(status=Status.OK, cost=float(space.estimate(np.array([index]))[0]))
