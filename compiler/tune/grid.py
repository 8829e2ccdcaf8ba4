"""Settings as points of a grid: one axis a knob, some points no settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .space import Indices

TRIES = 12
"""Points that are tried at random before all are."""


@dataclass(frozen=True)
class Axis:
    """A knob, or several that only make sense together, and its values."""

    name: str
    values: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(map(_text, self.values))}"


class Grid:
    """Points that are numbered from 0, among others that are not.

    Parameters
    ----------
    allowed:
        Which points are, an axis each.
    """

    def __init__(self, axes: Sequence[Axis], allowed: NDArray[np.bool_]) -> None:
        self.axes = tuple(axes)
        self.shape = tuple(len(axis.values) for axis in axes)
        if allowed.shape != self.shape:
            raise ValueError(f"axes have {self.shape} values, not {allowed.shape}")
        self.points = np.flatnonzero(allowed)
        self._movable = np.flatnonzero(np.array(self.shape) > 1)

    @property
    def size(self) -> int:
        return len(self.points)

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        numbers = np.full(int(np.prod(self.shape)), -1, np.int32)
        numbers[self.points] = np.arange(self.size, dtype=np.int32)
        return numbers

    def digits(self, indices: Indices) -> tuple[Indices, ...]:
        """Of each axis, which values the points have."""
        return tuple(np.unravel_index(self.points[indices], self.shape))

    def numbers(self, digits: Sequence[Indices]) -> Indices:
        """The points with these values; -1 where there is none."""
        return self._numbers[np.ravel_multi_index(tuple(digits), self.shape)].astype(np.int64)

    def random(self, rng: np.random.Generator, count: int) -> Indices:
        """`count` different points, or all if there are fewer."""
        return rng.choice(self.size, min(count, self.size), replace=False).astype(np.int64)

    def neighbours(self, rng: np.random.Generator, indices: Indices) -> Indices:
        """For each point another one that differs from it in one axis; itself if there is none."""
        found = np.full(len(indices), -1, np.int64)
        if not len(self._movable):
            return indices.copy()
        for _ in range(TRIES):
            missing = np.flatnonzero(found < 0)
            if not len(missing):
                return found
            digits = np.stack(self.digits(indices[missing]))
            axis = rng.choice(self._movable, len(missing))
            lengths, here = np.array(self.shape)[axis], np.arange(len(missing))
            digits[axis, here] = (digits[axis, here] + 1 + rng.integers(0, lengths - 1)) % lengths
            found[missing] = self.numbers(list(digits))
        for place in np.flatnonzero(found < 0):
            found[place] = rng.choice(self._around(int(indices[place])))
        return found

    def crossover(self, rng: np.random.Generator, first: Indices, second: Indices) -> Indices:
        """For each pair of points one that has its values from either; the first of the pair if there is none."""
        found = np.full(len(first), -1, np.int64)
        for _ in range(TRIES):
            missing = np.flatnonzero(found < 0)
            if not len(missing):
                break
            one, other = np.stack(self.digits(first[missing])), np.stack(self.digits(second[missing]))
            found[missing] = self.numbers(list(np.where(rng.random(one.shape) < 0.5, one, other)))
        return np.where(found < 0, first, found)

    def _around(self, index: int) -> Indices:
        """All points that differ from one in one axis; itself if there is none."""
        own = [int(digit[0]) for digit in self.digits(np.array([index]))]
        found: list[int] = []
        for axis, length in enumerate(self.shape):
            digits = [np.full(length, digit) for digit in own]
            digits[axis] = np.arange(length)
            found += [int(number) for number in self.numbers(digits) if number not in (-1, index)]
        return np.array(found or [index])

    def describe(self) -> str:
        """A line for each axis."""
        return "\n".join(map(str, self.axes))


def _text(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
