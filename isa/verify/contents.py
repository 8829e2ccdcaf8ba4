"""What the micro-op buffer holds, as far as it is known before the program runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..instructions import Load
from ..program import Segment


class MicroOpBuffer:
    """The micro-op words, and which are known.

    Parameters
    ----------
    segments:
        The data that the program brings; the rest of DRAM is unknown.
    dram:
        DRAM as it is when the program starts, uint8, instead of `segments`.
    """

    def __init__(self, config: Config, segments: Sequence[Segment], dram: NDArray[np.uint8] | None) -> None:
        self.config = config
        self.data = [(segment.address, memoryview(segment.data)) for segment in segments]
        if dram is not None:
            self.data = [(0, memoryview(dram.data))]
        self.words = np.zeros(config.uop_depth, dtype=np.uint64)
        self.known = np.zeros(config.uop_depth, dtype=bool)

    def load(self, instruction: Load, entries: slice, stored: bool) -> None:
        """Follow a LOAD into `entries`. When the program has `stored` into its source, that is unknown."""
        size, cols = self.config.uop_bytes, instruction.cols
        shape = (instruction.pad_top + instruction.rows + instruction.pad_bottom, -1)
        pad = np.uint64(instruction.pad_value & ((1 << self.config.uop_bits) - 1))
        self.words[entries] = pad
        self.known[entries] = True
        words, known = self.words[entries].reshape(shape), self.known[entries].reshape(shape)
        inside = slice(instruction.pad_left, instruction.pad_left + cols)
        for row in range(instruction.rows):
            data = None if stored else self._bytes(instruction.dram + row * instruction.stride * size, cols * size)
            at = instruction.pad_top + row
            known[at, inside] = data is not None
            if data is not None:
                words[at, inside] = np.frombuffer(data, dtype=f"<u{size}")

    def _bytes(self, address: int, size: int) -> memoryview | None:
        for start, data in self.data:
            if start <= address and address + size <= start + len(data):
                return data[address - start :][:size]
        return None
