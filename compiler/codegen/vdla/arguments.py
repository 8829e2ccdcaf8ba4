"""The arguments of a compiled program: where they lie in DRAM and how arrays get there and back."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import PARAM_RECORD_BYTES

from .errors import CodegenError
from .layouts import Layout

PARAM_RECORD = np.dtype(
    {
        "names": ["bias", "multiplier", "shift"],
        "formats": ["<i4", "<i4", "u1"],
        "offsets": [0, 4, 8],
        "itemsize": PARAM_RECORD_BYTES,
    }
)
MAX_SHIFT = 63


class Direction(Enum):
    """Whether the program reads an argument, writes it, or both."""

    IN = "in"
    OUT = "out"
    INOUT = "inout"


@dataclass(frozen=True)
class Argument:
    """An array that the caller gives or gets, row-major.

    Attributes
    ----------
    address:
        Byte address in DRAM; None where it only goes into tables of parameters.
    layout:
        How it lies there.
    """

    name: str
    direction: Direction
    layout: Layout
    address: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layout.shape

    @property
    def dtype(self) -> str:
        return self.layout.dtype

    def check(self, array: NDArray[Any]) -> None:
        """Raise `CodegenError` unless `array` is one for this argument."""
        if array.shape != self.shape or array.dtype != np.dtype(self.dtype):
            raise CodegenError(
                f"argument {self.name} is {array.dtype} {list(array.shape)}; the program takes "
                f"{self.dtype} {list(self.shape)}"
            )


@dataclass(frozen=True)
class ParamTable:
    """Records of bias, multiplier and shift, one an output channel, that PARAM reads.

    Attributes
    ----------
    sources:
        For each field of a record an argument's name, or a number for all channels.
    records:
        How many there are, whole blocks.
    """

    address: int
    sources: tuple[tuple[str, str | int], ...]
    records: int

    def pack(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """The records' bytes; those beyond the arguments' lengths are 0."""
        table = np.zeros(self.records, PARAM_RECORD)
        for name, source in self.sources:
            values = np.asarray(arrays[source] if isinstance(source, str) else source)
            if name == "shift" and values.size and not 0 <= values.min() <= values.max() <= MAX_SHIFT:
                where = f"argument {source}" if isinstance(source, str) else "shift"
                raise CodegenError(
                    f"{where} reaches from {values.min()} to {values.max()}; shifts are 0 to {MAX_SHIFT}"
                )
            table[name][: values.size if values.ndim else None] = values
        return table.view(np.uint8)

    @property
    def constant(self) -> bool:
        return not any(isinstance(source, str) for _, source in self.sources)


def by_name(
    arguments: Sequence[Argument], arrays: Mapping[str, NDArray[Any]], optional: Container[str] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays for all arguments that the program reads, checked.

    Parameters
    ----------
    optional:
        Names of those that may be left out.

    Raises
    ------
    CodegenError:
        One is missing, unknown, or of another shape or dtype.
    """
    known = {argument.name: argument for argument in arguments}
    for name in arrays:
        if name not in known:
            raise CodegenError(f"no argument {name!r}; the program takes {', '.join(known)}")
    for argument in arguments:
        if argument.direction is Direction.OUT:
            continue
        if argument.name not in arrays:
            if argument.name in optional:
                continue
            raise CodegenError(f"argument {argument.name} ({argument.dtype} {list(argument.shape)}) is missing")
        argument.check(arrays[argument.name])
    return {name: arrays[name] for name in arrays if known[name].direction is not Direction.OUT}
