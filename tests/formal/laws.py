"""Rules that every stream keeps, as assertions."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Module, Signal, Value

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config


def holds_until_taken(m: Module, stream: object, *, name: str, assume: bool = False) -> None:
    """Once `valid` rises it and the payload hold until the transfer; checked, or assumed of the environment."""
    claim = Assume if assume else Assert
    payload = Value.cast(stream.payload)  # type: ignore[attr-defined]  # any stream interface
    waiting, before = Signal(name=f"{name}_waiting"), Signal(len(payload), name=f"{name}_before")
    m.d.sync += [waiting.eq(stream.valid & ~stream.ready), before.eq(payload)]  # type: ignore[attr-defined]
    m.d.comb += claim(~waiting | (stream.valid & (payload == before)))  # type: ignore[attr-defined]


def stays_within_boundary(m: Module, valid: Value, address: Value, beats_minus_one: Value, config: Config) -> None:
    """A burst is aligned to the bus and within 4 KB."""
    bus = config.bus_bytes
    last = Signal(32)
    m.d.comb += last.eq((address & (AXI_BOUNDARY_BYTES - 1)) + beats_minus_one * bus + bus - 1)
    m.d.comb += [
        Assert(~valid | (address % bus == 0)),
        Assert(~valid | (last < AXI_BOUNDARY_BYTES)),
    ]
