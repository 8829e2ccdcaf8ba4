"""How the fields of an instruction lie in its 128 bits.

An instruction class declares its fields with `bits`; `Layout` places them for one configuration, from bit 0 up, in the
order of declaration. The RTL decoders, the assembler and the ISA page all read the same `Layout`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from .config import INSTRUCTION_BITS, Config

Width = int | Callable[[Config], int]


class EncodingError(ValueError):
    """A field's value does not fit its place, or 128 bits are no instruction."""


@dataclass(frozen=True)
class FieldSpec:
    """What an instruction class says of one field; see `bits`."""

    width: Width
    doc: str
    signed: bool = False
    nonzero: bool = False
    enum: type[IntEnum] | None = None

    @cached_property
    def legal(self) -> frozenset[int]:
        """The values of `enum`."""
        return frozenset(self.enum or ())


def bits(
    width: Width,
    doc: str,
    *,
    signed: bool = False,
    nonzero: bool = False,
    enum: type[IntEnum] | None = None,
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a field of an instruction.

    Parameters
    ----------
    width:
        Bits, or a function from the configuration to bits.
    doc:
        What the field means, for the ISA page.
    signed:
        Two's complement; otherwise unsigned.
    nonzero:
        Zero is an illegal encoding.
    enum:
        Only the members' values are legal encodings.
    default:
        The value when the builder leaves the field out; without it the field is required.
    """
    spec = FieldSpec(width, doc, signed, nonzero, enum)
    return dataclasses.field(default=default, metadata={"bits": spec})


@dataclass(frozen=True)
class Placed:
    """A field in its place: bits `[lsb, lsb + width)` of the instruction."""

    name: str
    lsb: int
    width: int
    spec: FieldSpec

    @cached_property
    def low(self) -> int:
        if self.spec.signed:
            return -(1 << (self.width - 1))
        return 1 if self.spec.nonzero else 0

    @cached_property
    def high(self) -> int:
        return (1 << (self.width - self.spec.signed)) - 1

    def check(self, value: int, where: str) -> None:
        """Raise `EncodingError` unless `value` is legal for this field."""
        if self.spec.enum is not None:
            if value not in self.spec.legal:
                legal = ", ".join(f"{member.value} ({member.name.lower()})" for member in self.spec.enum)
                raise EncodingError(f"{where}: {self.name} is {value}; defined are {legal}")
        elif not self.low <= value <= self.high:
            raise EncodingError(f"{where}: {self.name} is {value}; it must be between {self.low} and {self.high}")

    def insert(self, value: int) -> int:
        return (value & ((1 << self.width) - 1)) << self.lsb

    def extract(self, word: int) -> int:
        value = (word >> self.lsb) & ((1 << self.width) - 1)
        if self.spec.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value


@dataclass(frozen=True)
class Layout:
    """The placed fields of one instruction under one configuration. Bits above `used_bits` are zero."""

    fields: tuple[Placed, ...]

    @property
    def used_bits(self) -> int:
        return self.fields[-1].lsb + self.fields[-1].width

    @property
    def reserved_bits(self) -> int:
        return INSTRUCTION_BITS - self.used_bits

    def __getitem__(self, name: str) -> Placed:
        return next(field for field in self.fields if field.name == name)


def place(specs: dict[str, FieldSpec], config: Config) -> Layout:
    """Lay `specs` out from bit 0 up, in order."""
    placed, lsb = [], 0
    for name, spec in specs.items():
        width = spec.width if isinstance(spec.width, int) else spec.width(config)
        placed.append(Placed(name, lsb, width, spec))
        lsb += width
    return Layout(tuple(placed))
