"""Instruction words to named fields, and the check that a word is an instruction at all."""

from enum import IntEnum

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import (
    INSTRUCTIONS,
    NEXT,
    PREVIOUS,
    Buffer,
    Format,
    Instruction,
    Load,
    Param,
    Post,
    Store,
    Sync,
    Unit,
    entry_bytes,
    store_bytes,
)


class Fields:
    """The fields of a word read as one kind of instruction: ``Fields(word, Gemm, config).uop_begin``."""

    def __init__(self, word: Value | data.View, kind: type[Instruction], config: Config) -> None:
        self._word = Value.cast(word)
        self._layout = kind.layout(config)

    def __getattr__(self, name: str) -> Value:
        field = self._layout[name]
        value = self._word[field.lsb : field.lsb + field.width]
        return value.as_signed() if field.spec.signed else value


class Legality(wiring.Component):
    """Says whether a word is a legal instruction of this configuration; the same rules as `Instruction.check`.

    Members
    -------
    word: In(128)
        Given for two cycles.
    legal: Out(1)
        In the second of them.
    unit: Out(2)
        The unit that a legal word belongs to.
    """

    word: In(INSTRUCTION_BITS)
    legal: Out(1)
    unit: Out(2)

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        illegal = {kind: Signal(name=f"illegal_{kind.__name__.lower()}") for kind in INSTRUCTIONS}
        for kind, flag in illegal.items():
            m.d.sync += flag.eq(Cat(self._faults(kind)).any())
        with m.Switch(self.word[:4]):
            for kind in INSTRUCTIONS:
                with m.Case(kind.opcode):
                    m.d.comb += self.legal.eq(~illegal[kind])
                    unit = Fields(self.word, Sync, self.config).target if kind is Sync else kind.home
                    m.d.comb += self.unit.eq(unit)
        return m

    def _faults(self, kind: type[Instruction]) -> list[Value]:
        """Conditions, any of which makes the word illegal."""
        layout = kind.layout(self.config)
        fields = Fields(self.word, kind, self.config)
        faults: list[Value] = [self.word[layout.used_bits :].any()]
        for field in layout.fields[1:]:
            value = getattr(fields, field.name)
            if field.spec.nonzero:
                faults.append(value == 0)
            if field.spec.enum is not None:
                faults.append(_undefined(value, field.spec.enum))
        if kind is Sync:
            faults.append(fields.target == Unit.FETCH)
            for unit in (Unit.LOAD, Unit.COMPUTE, Unit.STORE):
                faults += [(fields.target == unit) & flag for flag in _absent(fields, unit)]
        else:
            faults += _absent(fields, kind.home)
        if kind is Load:
            for buffer in Buffer:
                align = min(entry_bytes(self.config, buffer), self.config.bus_bytes)
                faults.append((fields.buffer == buffer) & _unaligned(fields.dram, align))
        elif kind is Store:
            for format in Format:
                align = min(store_bytes(self.config, format), self.config.bus_bytes)
                faults.append((fields.format == format) & _unaligned(fields.dram, align))
            faults.append((fields.format == Format.RAW) & fields.residual)
        elif kind is Param:
            faults.append(_unaligned(fields.dram, self.config.bus_bytes))
        elif kind is Post:
            faults.append(_unaligned(fields.residual_offset, min(self.config.out_bytes, self.config.bus_bytes)))
        return faults


def _undefined(value: Value, enum: type[IntEnum]) -> Value:
    return ~Cat(value == member for member in enum).any()


def _absent(fields: Fields, unit: Unit) -> list[Value]:
    """Flags that name a neighbour which `unit` does not have."""
    flags = []
    if PREVIOUS[unit] is None:
        flags += [fields.pop_prev, fields.push_prev]
    if NEXT[unit] is None:
        flags += [fields.pop_next, fields.push_next]
    return flags


def _unaligned(address: Value, align: int) -> Value:
    return address[: align.bit_length() - 1].any()
