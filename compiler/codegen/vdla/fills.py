"""Accumulators that were set to a constant and not used since: the next operation may overwrite them instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .stream import Node

Entries = NDArray[np.int64]


class Fills:
    """Follows constants through the accumulators of a machine, in program order.

    Parameters
    ----------
    depth:
        How many accumulators there are.
    """

    def __init__(self, depth: int) -> None:
        self._by = np.zeros(depth, dtype=np.int64)
        """For each accumulator the number of the fill that it still holds; 0 is none."""
        self._nodes: list[Sequence[Node]] = [()]
        self._values: list[int] = [0]
        self._read: set[int] = {0}

    def fill(self, entries: Entries, value: int, nodes: Sequence[Node]) -> None:
        """`nodes` set `entries` to `value`."""
        self._by[entries] = len(self._nodes)
        self._nodes.append(nodes)
        self._values.append(value)

    def value(self, entries: Entries) -> int | None:
        """What all `entries` hold, if it is one constant and they are all different."""
        numbers: list[int] = np.unique(self._by[entries]).tolist()
        values = {self._values[number] for number in numbers}
        if numbers[0] == 0 or len(values) > 1 or len(np.unique(entries)) < len(entries):
            return None
        return next(iter(values))

    def read(self, entries: Entries) -> None:
        """`entries` are needed as they are."""
        self._read.update(np.unique(self._by[entries]).tolist())
        self._by[entries] = 0

    def overwrite(self, entries: Entries) -> None:
        """`entries` are set anew."""
        self._by[entries] = 0

    def needless(self) -> set[Node]:
        """Instructions that set accumulators that nobody read."""
        return {node for number, nodes in enumerate(self._nodes) if number not in self._read for node in nodes}
