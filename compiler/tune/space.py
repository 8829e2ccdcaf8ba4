"""What a search searches: the settings of one task, numbered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, Protocol, get_type_hints

import numpy as np
from numpy.typing import NDArray

from .task import Task

Indices = NDArray[np.int64]
Features = NDArray[np.float32]
Costs = NDArray[np.float64]


class Space(Protocol):
    """The settings of a task's knobs that its machine can run, numbered from 0.

    Attributes
    ----------
    size:
        How many there are.
    total:
        How many there are with those that the machine cannot run.
    rejected:
        How many of those there are of each class of reasons.
    """

    @property
    def task(self) -> Task: ...
    @property
    def size(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def rejected(self) -> Mapping[str, int]: ...

    def knobs(self, index: int) -> Any:
        """The setting as its operator takes it."""

    def index(self, knobs: Any) -> int:
        """The number of a setting. Raises `KeyError` if it is none of the space's."""

    def default(self) -> int | None:
        """The setting that the compiler takes when nothing is tuned."""

    def random(self, rng: np.random.Generator, count: int) -> Indices:
        """`count` different settings, or all if there are fewer."""

    def neighbours(self, rng: np.random.Generator, indices: Indices) -> Indices:
        """For each setting one that differs from it in one knob."""

    def crossover(self, rng: np.random.Generator, first: Indices, second: Indices) -> Indices:
        """For each pair of settings one with some knobs of either."""

    def features(self, indices: Indices) -> Features:
        """[n, F], see `features.table`: the same for all operators of a target."""

    def estimate(self, indices: Indices) -> Costs:
        """Costs by an analytical model."""

    def sized(self, workload: str) -> Space:
        """That of the same operator in other sizes, which are a `Task.workload`, on the same machine.

        Raises
        ------
        ValueError, OperatorError:
            There are no such sizes, or the machine has no schedule for them.
        """

    def describe(self) -> str:
        """The knobs with their values, how many settings there are, and why others are rejected."""


def knobs_as_dict(knobs: Any) -> dict[str, object]:
    """A setting as JSON takes it."""
    values = {field.name: getattr(knobs, field.name) for field in fields(knobs)}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def knobs_from_dict(operator: str, values: Mapping[str, object]) -> Any:
    """The setting of an operator that `knobs_as_dict` wrote.

    Raises
    ------
    ValueError:
        There is no such operator, or the values are not those of its knobs.
    """
    kind = _knobs_of(operator)
    hints = get_type_hints(kind)
    if set(values) != {field.name for field in fields(kind)}:
        raise ValueError(f"the knobs of {operator} are {', '.join(hints)}, not {', '.join(values)}")
    for name, value in values.items():
        if hints[name] is int and (type(value) is not int or value < 1):
            raise ValueError(f"{name} of {operator} must be a whole number above 0, not {value!r}")
        if hints[name] is bool and type(value) is not bool:
            raise ValueError(f"{name} of {operator} must be true or false, not {value!r}")
    enums = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Enum)}
    return kind(**{name: enums[name](value) if name in enums else value for name, value in values.items()})


def _knobs_of(operator: str) -> Any:
    if operator.startswith("cpu_conv2d_"):
        from dovetail.compiler.ops.cpu import knobs as cpu

        return cpu.Conv2dKnobs
    if operator == "conv2d":
        from dovetail.compiler.ops.knobs import Conv2dKnobs

        return Conv2dKnobs
    raise ValueError(f"no operator {operator!r} has knobs")
