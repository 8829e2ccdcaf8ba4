"""The settings of a convolution on the accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.choose import choose
from dovetail.compiler.ops.knobs import Conv2dKnobs, Whole, chunks, footprint, row_tiles
from dovetail.compiler.ops.rules import RULES, Case, Rule
from dovetail.compiler.ops.shapes import blocks
from dovetail.compiler.ops.transfers import Memory
from dovetail.isa.config import Config

from .features.accelerator import AcceleratorFeatures
from .grid import Grid
from .grid_space import GridSpace, index_in
from .settings import Template
from .space import Costs, Features, Indices
from .task import Task, sizes_from_text, sizes_text
from .tile_estimate import TileEstimate

MOST_PIECES = 2048
"""Of the work of a program: each is a GEMM at least, and what compiling takes grows with them."""
BEYOND_DEFAULT = 4
"""Programs may have so many times as many pieces as the default's."""


FITS = len(RULES) + 1
SAME = FITS + 1
"""What stands for no rule, beside places of rules."""


def _pieces(case: Case) -> Whole:
    shape, knobs = case.shape, case.knobs
    tiles = row_tiles(shape, knobs) * blocks(shape.out_w, knobs.cols)
    channels, rows, cols = chunks(shape, knobs)
    return shape.samples * shape.groups * shape.oc_blocks * tiles * channels * rows * cols


def few_pieces(most: int) -> Rule:
    """What keeps programs of endless small pieces out of a search; a machine could run them."""
    return Rule(
        "pieces",
        lambda case: _pieces(case) > most,
        lambda case: f"{_pieces(case)} pieces of work; a search looks at programs of {most}",
    )


def conv2d_task(shape: Blocked, config: Config, memory: Memory) -> Task:
    """What is tuned when a convolution of this shape is."""
    return Task(
        operator="conv2d",
        workload=sizes_text(shape),
        target="vdla",
        machine=f"{config.fingerprint:016x}",
        memory=f"{memory.latency}:{memory.bytes_per_cycle}",
    )


class AcceleratorSpace(GridSpace):
    """A `Space` of schedules as `compiler.ops.conv2d_schedule` makes them.

    Raises
    ------
    OperatorError:
        No schedule fits the machine.
    """

    def __init__(self, shape: Blocked, config: Config, memory: Memory | None = None) -> None:
        memory = memory or Memory()
        self.shape, self.config, self.memory = shape, config, memory
        self.task = conv2d_task(shape, config, memory)
        self._default = choose(shape, config, memory).knobs
        self.template = Template(shape, self._default.rows)
        default = Case(shape, self._default, config, footprint(shape, self._default))
        self.rules = (*RULES, few_pieces(max(MOST_PIECES, BEYOND_DEFAULT * _pieces(default))))
        broken = self._broken()
        self.grid = Grid(self.template.axes, broken == FITS)
        counts = np.bincount(broken.ravel(), minlength=SAME + 1)
        self.total = int(counts[: len(self.rules)].sum()) + self.size
        self.rejected: Mapping[str, int] = {
            rule.name: int(count) for rule, count in zip(self.rules, counts, strict=False) if count
        }
        self._examples = {
            rule.name: int(np.argmax(broken == place)) for place, rule in enumerate(self.rules) if counts[place]
        }

    def knobs(self, index: int) -> Conv2dKnobs:
        return self.template.settings(*self.grid.digits(np.array([index]))).one(0)

    def index(self, knobs: Conv2dKnobs) -> int:
        digits = self.template.digits(knobs)
        return index_in(self.grid, digits, knobs)

    def default(self) -> int | None:
        try:
            return self.index(self._default)
        except KeyError:
            return None

    def sized(self, workload: str) -> AcceleratorSpace:
        return AcceleratorSpace(sizes_from_text(Blocked, workload), self.config, self.memory)

    def features(self, indices: Indices) -> Features:
        return self._features.of(self.template.settings(*self.grid.digits(indices)))

    def estimate(self, indices: Indices) -> Costs:
        return self._estimate.of(self.template.settings(*self.grid.digits(indices)))

    def _example(self, name: str) -> str:
        rule = next(rule for rule in self.rules if rule.name == name)
        digits = np.unravel_index(self._examples[name], self.grid.shape)
        knobs = self.template.settings(*(np.array([digit]) for digit in digits)).one(0)
        return f"({knobs}): {rule.reason(Case(self.shape, knobs, self.config, footprint(self.shape, knobs)))}"

    def _broken(self) -> NDArray[np.uint8]:
        """For each point of the grid the place of the first rule that it breaks; `FITS`, or `SAME` if it counts not."""
        settings = self.template.all
        case = Case(self.shape, settings, self.config, footprint(self.shape, settings))
        shape = tuple(len(axis.values) for axis in self.template.axes)
        broken = np.full(shape, FITS, np.uint8)
        for place, rule in reversed(list(enumerate(self.rules))):
            np.copyto(broken, np.uint8(place), where=rule.broken(case))
        np.copyto(broken, np.uint8(SAME), where=self.template.twice)
        return broken

    @cached_property
    def _features(self) -> AcceleratorFeatures:
        return AcceleratorFeatures(self.shape, self.config)

    @cached_property
    def _estimate(self) -> TileEstimate:
        return TileEstimate(self.shape, self.config, self.memory)
