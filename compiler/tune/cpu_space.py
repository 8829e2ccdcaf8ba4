"""The settings of a convolution on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from dovetail.compiler.codegen.llvm.target import host
from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs, all_conv2d_knobs, conv2d_knobs, misfit
from dovetail.compiler.ops.shapes import Conv2dShape

from .cpu_counts import CpuCounts, counts_of, cycles_of
from .features.table import as_features
from .grid import Axis, Grid
from .grid_space import GridSpace, index_in
from .space import Costs, Features, Indices
from .task import Task, sizes_from_text, sizes_text

DTYPES = ("float32", "int8")
KNOBS = tuple(field.name for field in fields(Conv2dKnobs) if field.name != "lanes")


def cpu_conv2d_task(shape: Conv2dShape, dtype: str = "float32") -> Task:
    """What is tuned when a convolution of this shape is, for this machine's processor."""
    return Task(
        operator=f"cpu_conv2d_{dtype}",
        workload=sizes_text(shape),
        target="cpu",
        machine=f"{host().cpu}:{host().vector_bits}",
    )


class CpuSpace(GridSpace):
    """A `Space` of cuts as `compiler.ops.cpu.conv2d_float32` and `conv2d_int8` take them, for this machine's vectors.

    Raises
    ------
    ValueError:
        There is no CPU convolution of this type.
    """

    def __init__(self, shape: Conv2dShape, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise ValueError(f"convolutions on the CPU are of {' or '.join(DTYPES)}, not {dtype}")
        self.shape, self.dtype = shape, dtype
        self.task = cpu_conv2d_task(shape, dtype)
        every = list(all_conv2d_knobs(shape))
        reasons = [misfit(shape, knobs) for knobs in every]
        fitting = [knobs for knobs, reason in zip(every, reasons, strict=True) if reason is None]
        self.total = len(every)
        self.rejected: Mapping[str, int] = Counter(reason[0] for reason in reasons if reason is not None)
        self._examples = {
            reason[0]: f"({knobs}): {reason[1]}"
            for knobs, reason in zip(reversed(every), reversed(reasons), strict=True)
            if reason is not None
        }
        columns = {name: {getattr(knobs, name) for knobs in every} for name in KNOBS}
        self._axes = {name: sorted(values, key=_order) for name, values in columns.items()}
        self.grid = Grid(
            [Axis(name, tuple(map(_plain, values))) for name, values in self._axes.items()], self._allowed(fitting)
        )
        self._lanes = every[0].lanes

    def knobs(self, index: int) -> Conv2dKnobs:
        digits = self.grid.digits(np.array([index]))
        values = {name: values[int(digit[0])] for (name, values), digit in zip(self._axes.items(), digits, strict=True)}
        return Conv2dKnobs(lanes=self._lanes, **values)

    def index(self, knobs: Conv2dKnobs) -> int:
        known = all(getattr(knobs, name) in values for name, values in self._axes.items())
        digits = self._digits(knobs) if known and knobs.lanes == self._lanes else None
        return index_in(self.grid, digits, knobs)

    def default(self) -> int | None:
        try:
            return self.index(conv2d_knobs(self.shape))
        except KeyError:
            return None

    def sized(self, workload: str) -> CpuSpace:
        return CpuSpace(sizes_from_text(Conv2dShape, workload), self.dtype)

    def features(self, indices: Indices) -> Features:
        """The table's, of which a CPU's programs have: see `cpu_counts.counts_of`."""
        counts = {name: values[indices] for name, values in self._counts.items()}
        return as_features(counts, len(indices))

    def estimate(self, indices: Indices) -> Costs:
        """Cycles of an imagined core, see `cpu_counts.cycles_of`."""
        costs: Costs = cycles_of(self._counts)[indices]
        return costs

    def _example(self, name: str) -> str:
        return self._examples[name]

    @cached_property
    def _counts(self) -> CpuCounts:
        return counts_of(self.shape, [self.knobs(index) for index in range(self.size)], self.dtype)

    def _digits(self, knobs: Conv2dKnobs) -> tuple[int, ...]:
        return tuple(values.index(getattr(knobs, name)) for name, values in self._axes.items())

    def _allowed(self, fitting: list[Conv2dKnobs]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        allowed = np.zeros(tuple(map(len, self._axes.values())), np.bool_)
        for knobs in fitting:
            allowed[self._digits(knobs)] = True
        return allowed


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _order(value: Any) -> int:
    return list(type(value)).index(value) if isinstance(value, Enum) else int(value)
