"""Which bytes and beats of memory a program's instructions read and write, from their docstrings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config
from dovetail.isa.instructions import Instruction, Load, Param, Post, Store, Unit, entry_bytes, store_bytes


@dataclass(frozen=True)
class Transfer:
    """A block of memory that an instruction reads or writes.

    Attributes
    ----------
    bytes, beats:
        Addresses of its bytes, and of the beats on the bus that they lie in.
    """

    config: Config
    index: int
    unit: Unit
    write: bool
    address: int
    rows: int
    row_bytes: int
    pitch: int

    @property
    def bytes(self) -> set[int]:
        return self._places(1)

    @property
    def beats(self) -> set[int]:
        return self._places(self.config.bus_bytes)

    def _places(self, size: int) -> set[int]:
        places: set[int] = set()
        for row in range(self.rows):
            begin = self.address + row * self.pitch
            places.update(range(begin // size * size, begin + self.row_bytes, size))
        return {place % (1 << DRAM_ADDRESS_BITS) for place in places}


def transfers(config: Config, program: Sequence[Instruction]) -> list[Transfer]:
    """The transfers of `program`; those of a unit in the order in which they end."""
    return list(_transfers(config, program))


def _transfers(config: Config, program: Sequence[Instruction]) -> Iterator[Transfer]:
    offset = 0
    for index, x in enumerate(program):
        if isinstance(x, Load):
            size = entry_bytes(config, x.buffer)
            yield Transfer(config, index, x.unit, False, x.dram, x.rows, x.cols * size, x.stride * size)
        elif isinstance(x, Post):
            offset = x.residual_offset
        elif isinstance(x, Param):
            yield Transfer(config, index, x.unit, False, x.dram, 1, config.param_bytes, 0)
        elif isinstance(x, Store):
            size = store_bytes(config, x.format)
            block = x.rows, x.cols * size, x.stride * size
            if x.residual:
                yield Transfer(config, index, x.unit, False, x.dram + offset, *block)
            yield Transfer(config, index, x.unit, True, x.dram, *block)
